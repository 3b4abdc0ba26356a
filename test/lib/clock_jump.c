/* SPDX-License-Identifier: Apache-2.0
 *
 * Loaded before a program (LD_PRELOAD): its wall clock is ahead by as many seconds as the file $CLOCK_JUMP says, from one look to the
 * next, as when somebody sets the clock of the machine. Other clocks are what they are.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long
ahead(void)
{
    const char *path = getenv("CLOCK_JUMP");
    char text[32] = "";
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(fd);
    return strtol(text, NULL, 10);
}

int
clock_gettime(clockid_t clock_id, struct timespec *tp)
{
    long code = syscall(SYS_clock_gettime, clock_id, tp);

    if (code == 0 && (clock_id == CLOCK_REALTIME || clock_id == CLOCK_REALTIME_COARSE))
        tp->tv_sec += ahead();
    return (int)code;
}
