/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/supervised.h"

static struct str
value_of(char **environ, struct str name)
{
    for (; *environ; environ++) {
        struct str key, value;

        if (str_cut(str_from(*environ), '=', &key, &value) && str_eq(key, name))
            return value;
    }
    return STR_NONE;
}

static uint64_t
number_of(char **environ, struct str name)
{
    uint64_t n;

    return str_to_u64(value_of(environ, name), &n) ? n : 0;
}

void
supervised_read(char **environ, pid_t pid, struct supervised *ret_s)
{
    enum { MOST = 1024 };
    struct str watchdog_pid = value_of(environ, STR("WATCHDOG_PID"));
    uint64_t n_fds = number_of(environ, STR("LISTEN_FDS")), usec = number_of(environ, STR("WATCHDOG_USEC"));
    bool is_watched = watchdog_pid.len == 0 || number_of(environ, STR("WATCHDOG_PID")) == (uint64_t)pid;

    *ret_s = (struct supervised){ .notify = value_of(environ, STR("NOTIFY_SOCKET")) };
    if (ret_s->notify.len && ret_s->notify.p[0] != '/' && ret_s->notify.p[0] != '@')
        ret_s->notify = STR_NONE;
    if (is_watched && usec <= INT64_MAX)
        ret_s->watchdog_us = (int64_t)usec;
    if (number_of(environ, STR("LISTEN_PID")) != (uint64_t)pid || n_fds > MOST)
        return;
    ret_s->n_fds = (unsigned)n_fds;
    ret_s->fd_names = value_of(environ, STR("LISTEN_FDNAMES"));
}

struct str
supervised_fd_name(const struct supervised *s, unsigned at)
{
    struct str name = STR_NONE, rest = s->fd_names;

    for (unsigned i = 0; i <= at; i++) {
        if (rest.len == 0)
            return STR_NONE;
        str_cut(rest, ':', &name, &rest);
    }
    return name;
}
