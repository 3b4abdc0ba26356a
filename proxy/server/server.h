/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_SERVER_H
#define SEXTANT_SERVER_SERVER_H

/* The running program: a control thread (the caller's) and workers. */

#include "proxy/route/world.h"

/* Serve until SIGTERM or SIGINT has been obeyed. Takes over `world`. `environ` is read again at each reload. Returns the
 * exit code: 0, or 1 after saying what was in the way. */
int server_run(struct world *world, char **environ);

#endif
