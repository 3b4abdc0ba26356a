/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/obs/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Numbers of fields in /proc/PID/stat, proc_pid_stat(5); those before the third stand in front of the last ')'. */
enum { STAT_UTIME = 14, STAT_STIME = 15, STAT_THREADS = 20, STAT_START = 22, STAT_VSIZE = 23, STAT_RSS = 24 };

static size_t
read_text(const char *path, char *text, size_t room)
{
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(text, 1, room - 1, file) : 0;

    if (file)
        fclose(file);
    text[n] = '\0';
    return n;
}

static bool
read_fields(double *fields)
{
    char text[1024], *at, *rest = NULL;

    if (!read_text("/proc/self/stat", text, sizeof(text)) || !(at = strrchr(text, ')')))
        return false;
    at = strtok_r(at + 1, " ", &rest);
    for (int i = 3; at && i <= STAT_RSS; i++, at = strtok_r(NULL, " ", &rest))
        fields[i] = strtod(at, NULL); /* the third is a letter */
    return at != NULL;
}

static double
boot_time(void)
{
    char text[64 * 1024];
    const char *line;

    read_text("/proc/stat", text, sizeof(text));
    line = strstr(text, "\nbtime ");
    return line ? strtod(line + strlen("\nbtime "), NULL) : 0;
}

static double
count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = 0;

    if (!dir)
        return 0;
    for (const struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* the one that reads the list */
}

bool
process_stat_read(struct process_stat *ret_stat)
{
    double fields[STAT_RSS + 1] = { 0 };
    double tick = (double)sysconf(_SC_CLK_TCK);
    struct rlimit limit = { 0 };

    if (!read_fields(fields))
        return false;
    getrlimit(RLIMIT_NOFILE, &limit);
    *ret_stat = (struct process_stat){
        .cpu_seconds = (fields[STAT_UTIME] + fields[STAT_STIME]) / tick,
        .start_time_seconds = boot_time() + fields[STAT_START] / tick,
        .resident_bytes = fields[STAT_RSS] * (double)sysconf(_SC_PAGESIZE),
        .virtual_bytes = fields[STAT_VSIZE],
        .open_fds = count_fds(),
        .max_fds = (double)limit.rlim_cur,
        .threads = fields[STAT_THREADS],
    };
    return true;
}
