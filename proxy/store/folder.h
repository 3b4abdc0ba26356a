/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_FOLDER_H
#define SEXTANT_STORE_FOLDER_H

/* The directory of a journal: its lock, its names, and changes of names that are durable when the call returns. Blocking. Errors
 * are -errno; those of folder_open() come with a sentence for the operator. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/store/segment.h"

enum { FOLDER_NAME_BYTES = 48 };

struct folder {
    int fd, lock_fd; /* -1: none */
    char path[256];  /* for messages */
};

/* segment-GENERATION.log, spare-NUMBER.log; sixteen hexadecimal digits each. */
void folder_segment_name(uint64_t generation, char ret_name[FOLDER_NAME_BYTES]);
void folder_spare_name(uint64_t number, char ret_name[FOLDER_NAME_BYTES]);
/* Sorted, to be freed by mem_free(). */
struct folder_list {
    uint64_t *segments, *spares;
    unsigned n_segments, n_spares;
};
int folder_list(const struct folder *f, struct folder_list *ret_list);
void folder_list_fini(struct folder_list *list);
/* Files that somebody was about to make when it ended: they have no name yet but one in .new. */
void folder_sweep(const struct folder *f);

/* Is there a reason not to keep a journal in a file system of this kind (f_type of statfs)? NULL when not. */
const char *folder_type_refused(uint64_t f_type);
bool folder_type_is_memory(uint64_t f_type);

/* For the one writer: locked, and found writable, local and able to sync. */
int folder_open(struct folder *f, const char *dir, struct buf *ret_error);
/* To look at it: nothing is locked, made or changed. */
int folder_open_to_read(struct folder *f, const char *dir, struct buf *ret_error);
void folder_close(struct folder *f); /* also half open */

int folder_sync(const struct folder *f);
/* Both are durable when they return 0. */
int folder_rename(const struct folder *f, const char *from, const char *to);
int folder_remove(const struct folder *f, const char *name);
int folder_free_bytes(const struct folder *f, uint64_t *ret_bytes);
/* Replace or make a small file whole. */
int folder_write(const struct folder *f, const char *name, struct str text);
/* Append a file to `out`: -EFBIG when it has more than `limit` bytes; then and on -errno `out` is as it was. */
int folder_read(const struct folder *f, const char *name, size_t limit, struct buf *out);

/* All of it, or -errno. */
int file_write_at(int fd, struct str bytes, uint64_t at);
int file_read_at(int fd, char *to, size_t len, uint64_t at); /* -ENODATA when the file is shorter */

#endif
