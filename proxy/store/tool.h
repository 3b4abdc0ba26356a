/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_TOOL_H
#define SEXTANT_STORE_TOOL_H

/* sextant journal verify|dump: a journal's directory, or a copy of one, looked at without changing or locking anything; and new, which
 * begins another one there (renew.h). */

#include "proxy/base/buf.h"

/* 0 fine, 1 damaged or refused, 2 the command line is wrong. */
int journal_command(int argc, char **argv);
void journal_command_help(struct buf *out);

#endif
