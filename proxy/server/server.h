/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_SERVER_H
#define SEXTANT_SERVER_SERVER_H

/* The running program: a control thread (the caller's) and workers. */

#include "proxy/route/world.h"

struct server_start {
    char **environ;      /* read again at each reload, and given to the process that SIGUSR2 starts */
    const char *program; /* which program that is */
    int predecessor_fd;  /* channel to the process that started this one, or -1; taken over */
    bool is_kept;        /* that process, or one before it, stays for whoever waits for it */
};

/* Serve until SIGTERM or SIGINT has been obeyed, or another process has taken over. Takes over `world`. Returns the
 * exit code: 0, or 1 after saying what was in the way. */
int server_run(struct world *world, const struct server_start *how);

#endif
