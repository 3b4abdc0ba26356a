/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_KEEPER_H
#define SEXTANT_SERVER_KEEPER_H

/* A process that was started by a container's runtime or by a supervisor that follows one process id may not end when it has
 * handed over: everything would be taken to have ended. It stays behind, serves nothing and does what the first process of
 * a container does: passes signals on and waits. (systemd is told the new id instead.) */

#include <sys/types.h>

void keeper_prepare(void); /* before the first child: children of children will be ours */
void keeper_block(void);   /* before the last handler of a signal goes: from here on signals wait */
/* Pass SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2 on to a group of processes until the last of them has ended. Returns
 * the exit code: that of the first that failed, else 0. */
int keeper_run(pid_t group);

#endif
