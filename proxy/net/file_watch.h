/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_FILE_WATCH_H
#define SEXTANT_NET_FILE_WATCH_H

/* Tells when any of a few files changes: written in place, replaced by rename, reached through a symbolic link that was
 * switched (as Kubernetes does for mounted configuration), created, removed. */

#include "proxy/net/loop.h"

struct file_watch;

/* fn is called from the loop when the files have been quiet for 200 ms after a change, 2 s after it at the latest; it may
 * free the watch. Paths are copied; files and their directories need not exist. 0, or -errno when the kernel has no watch to
 * give (limits of inotify); then nothing is watched and *ret_watch is left alone. */
int file_watch_new(struct loop *loop, const char *const *paths, size_t n, void (*fn)(void *arg), void *arg,
    struct file_watch **ret_watch);
bool file_watch_is_of(const struct file_watch *w, const char *const *paths, size_t n); /* of these, in this order? */
void file_watch_free(struct file_watch *w);                                            /* NULL is fine */

#endif
