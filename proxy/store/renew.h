/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_RENEW_H
#define SEXTANT_STORE_RENEW_H

/* A new journal in the place of one that was lost or cannot be read, as an operator orders it. What was there is put aside, never
 * deleted. The file takes-over says that the journal may take homes from another one, and lists those that it has taken:
 *
 *   journal_renew() ─▶ takes-over, empty ─▶ a line for each home that was taken ─▶ gone, with the last one
 *
 * 1. A crash at any moment leaves a directory that a start refuses, or from which it does the same again. */

#include <stdbool.h>

#include "proxy/base/buf.h"

struct journal;

/* 0; or -errno and why in *err. One that is whole and was used is only put aside if `replaces`: else -EEXIST. Blocking. */
int journal_renew(const char *dir, bool replaces, struct buf *out, struct buf *err);

/* May this home be taken from another journal? The loop's thread; a look into the directory. */
bool journal_takes_over(const struct journal *j, struct str home);
/* It was. Durable when it returns 0. `is_last`: no other is to be taken. */
int journal_took_over(struct journal *j, struct str home, bool is_last);

#endif
