/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_SUPERVISED_H
#define SEXTANT_CONF_SUPERVISED_H

/* What a service manager says in the environment (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)). Pure. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proxy/base/str.h"

enum { SUPERVISED_FD = 3 }; /* the first of the sockets that are passed */

struct supervised {
    struct str notify;   /* where to tell how it goes: a path or @name; empty: nobody asks */
    int64_t watchdog_us; /* a sign of life is expected this often; 0: not */
    unsigned n_fds;      /* sockets passed; 0 when they are meant for another process */
    struct str fd_names; /* colon-separated; may be empty */
};

/* Texts are slices of `environ`. `pid` is this process. */
void supervised_read(char **environ, pid_t pid, struct supervised *ret_s);
/* The name of the socket number `at`; empty when it has none. */
struct str supervised_fd_name(const struct supervised *s, unsigned at);

#endif
