/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SERVER_STATE_H
#define SEXTANT_SERVER_STATE_H

/* SEXTANT_STATE_DIR: a few small files that outlive the process, with one writer at a time. Blocking; control thread only.
 *
 * The writer is whoever holds the lock: an flock() on DIR/lock, which the kernel takes back when its process ends, however
 * it ends. Nobody else writes; anybody may read. To hand the directory over, the old process writes what it still has to
 * say and calls state_unlock(): from then on its writes fail with -EPERM, and the new one's state_lock() succeeds. What the
 * new one read before that may be old, so it reads again once it has the lock.
 *
 * A file is replaced whole (NAME.new, fsync, rename, fsync of the directory): whatever breaks off, a reader finds the old
 * text or the new one. Names are plain ones, without a slash. */

#include <sys/types.h>

#include "proxy/base/buf.h"

struct state;

/* 0, or -errno when it is no directory that can be used. Takes no lock. */
int state_open(struct str dir, struct state **ret_state);
/* Become the writer: 0 (also when it is already), -EWOULDBLOCK while another process is (its id in *ret_pid, or 0 when it did
 * not say), -errno. */
int state_lock(struct state *s, pid_t *ret_pid);
void state_unlock(struct state *s);
bool state_is_writer(const struct state *s);

/* Append a file's text to `out`. -ENOENT when there is none, -EFBIG when it is longer than `limit`, -errno; then `out` is as
 * it was. */
int state_read(struct state *s, const char *name, size_t limit, struct buf *out);
/* Replace or make a file. On -errno the old text stays; -EPERM when this process is not the writer. */
int state_write(struct state *s, const char *name, struct str text);

void state_close(struct state **sp); /* unlocks; NULLs; safe on NULL */

#endif
