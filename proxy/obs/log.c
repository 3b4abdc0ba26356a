/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/obs/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "proxy/base/clock.h"

enum { LINE_MAX_BYTES = 4096 };

static const char *const level_names[] = { "error", "warning", "info", "debug" };
static atomic_int current_level = LOG_LEVEL_INFO;

bool
log_set_level(struct str name)
{
    for (int i = 0; i <= LOG_LEVEL_DEBUG; i++) {
        if (str_eq(name, str_from(level_names[i]))) {
            atomic_store(&current_level, i);
            return true;
        }
    }
    return false;
}

const char *
log_level_name(void)
{
    return level_names[atomic_load(&current_level)];
}

bool
log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

static size_t
put_time(char *line, size_t room)
{
    int64_t now = clock_wall_us();
    time_t seconds = (time_t)(now / USEC_PER_SEC);
    struct tm tm;
    size_t len;

    gmtime_r(&seconds, &tm);
    len = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &tm);
    return len + (size_t)snprintf(line + len, room - len, ".%03dZ ", (int)(now % USEC_PER_SEC / 1000));
}

void
log_line(enum log_level level, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    size_t len;
    int text;
    va_list args;

    if (!log_is_on(level))
        return;
    len = put_time(line, sizeof(line));
    len += (size_t)snprintf(line + len, sizeof(line) - len, "%-7s ", level_names[level]);
    va_start(args, format);
    text = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
    va_end(args);
    len = text < 0 ? len : len + (size_t)text < sizeof(line) - 2 ? len + (size_t)text : sizeof(line) - 2;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    }
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return; /* nowhere left to tell */
}
