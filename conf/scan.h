/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_SCAN_H
#define SEXTANT_CONF_SCAN_H

/* Documents of entries that end by newline or semicolon, '#' to the end of a line being a comment; entries are words between
 * blanks. Every word knows its line and column. Pure. */

#include "conf/conf.h"

struct word {
    struct str text;
    unsigned line, column;
};

struct scan {
    struct str source, rest;
    unsigned line, column;
    struct conf_issues *issues;
};

struct scan scan_begin(struct str source, struct str text, struct conf_issues *issues);
/* The words of the next entry that has any, in an array in `arena`. False at the end. */
bool scan_entry(struct scan *s, struct arena *arena, struct word **ret_words, unsigned *ret_n);
/* The part of a word from an offset on, as a word. */
struct word word_from(struct word w, size_t offset);
/* Split a word at commas, one at a time. False when nothing is left. */
bool word_item(struct word *rest, struct word *ret_item);

void scan_error(const struct scan *s, struct word at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void scan_warning(const struct scan *s, struct word at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The nearest of some names, if any is near enough to be meant: "; did you mean eu?" or "". */
struct str scan_suggest(struct arena *arena, struct str wrong, const struct str *names, unsigned n);

#endif
