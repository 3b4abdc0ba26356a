/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_READ_FILE_H
#define SEXTANT_CONF_READ_FILE_H

#include "proxy/base/arena.h"

/* The whole of a regular file of text, at most `limit` bytes, into the arena; a byte order mark at its beginning is left
 * out. NULL, or what went wrong (static text) with *ret_text untouched. */
const char *read_file(struct str path, size_t limit, struct arena *arena, struct str *ret_text);

#endif
