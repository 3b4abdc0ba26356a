/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CTL_TABLE_H
#define SEXTANT_CTL_TABLE_H

/* Text for terminals: columns that line up, colours where they help, and nothing that the terminal would obey. Pure. */

#include "proxy/base/arena.h"
#include "proxy/base/buf.h"

enum tint { TINT_NONE, TINT_GOOD, TINT_WARNING, TINT_BAD, TINT_DIM };
enum { TABLE_COLUMNS = 12 };

struct style {
    bool has_colour;
    unsigned width; /* of the terminal; 0: as wide as it gets */
};

struct cell {
    struct str text; /* may hold anything */
    enum tint tint;
};

struct table {
    struct arena *arena; /* of the rows */
    struct cell *cells;
    unsigned n_columns, n_rows, cap_rows;
    uint32_t right; /* columns whose cells stand to the right */
};

/* `heads` are n titles; a title that begins with '>' puts its column to the right. */
void table_init(struct table *t, struct arena *arena, const char *const *heads, unsigned n);
/* A new row; fill in its n_columns cells before the next one. */
struct cell *table_row(struct table *t);
/* Too wide for the terminal: the last column is cut, with an ellipsis. */
void table_print(const struct table *t, const struct style *style, struct buf *out);

/* Append with all that a terminal would obey, or that would deceive a reader, spelled out: control characters, what turns
 * the direction of writing, invalid UTF-8. */
void text_escape(struct str s, bool keeps_lines, struct buf *out);
unsigned text_width(struct str s); /* in columns, of escaped text */
void text_tint(struct str s, enum tint tint, const struct style *style, struct buf *out);

#endif
