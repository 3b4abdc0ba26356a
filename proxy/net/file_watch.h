/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_FILE_WATCH_H
#define SEXTANT_NET_FILE_WATCH_H

/* Tells when one of some files has changed: written, renamed over, or reached through another symbolic link. */

#include "proxy/net/loop.h"

struct file_watch;

/* fn(arg) runs from the loop once things have been quiet for 200 ms after a change. Directories of the files are watched, so
 * a file may come and go. NULL and -errno when the kernel has no more watches: then only SIGHUP reloads. */
struct file_watch *file_watch_new(struct loop *loop, const char *const *paths, unsigned n, void (*fn)(void *arg), void *arg,
    int *ret_error);
void file_watch_free(struct file_watch *w);

#endif
