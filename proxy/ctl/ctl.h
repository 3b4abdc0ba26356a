/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CTL_CTL_H
#define SEXTANT_CTL_CTL_H

/* `sextant ctl`: what an operator asks of and orders from a running Sextant, through its admin listener. docs/admin.md says
 * what each command does. Everything here runs in a process of its own and may block. */

#include "proxy/base/arena.h"
#include "proxy/base/buf.h"

enum { CTL_DONE = 0, CTL_REFUSED = 1, CTL_USAGE = 2, CTL_UNREACHABLE = 3, CTL_NOT_READY = 4 };

/* The words after "sextant ctl". Prints, and returns the exit code. */
int ctl_main(int argc, char **argv, char **environ);
void ctl_help(struct buf *out); /* its lines of `sextant --help` */

#endif
