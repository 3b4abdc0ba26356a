/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_SCAN_H
#define SEXTANT_CONF_SCAN_H

/* Documents of entries that end by newline or semicolon; entries are words between blanks; words are items between commas.
 * '#' starts a comment that goes to the end of the line. Every word knows its line and column. Pure. */

#include "conf/conf.h"

struct word {
    struct str text;
    unsigned line, column;
};

struct scan {
    struct str source, rest;
    unsigned line, column;
    bool keeps_hash; /* '#' inside a word is part of it (URLs) */
    struct conf_issues *issues;
};

struct scan scan_begin(struct str source, struct str text, struct conf_issues *issues);
/* The same for the value of an option: places are told as where it was written. */
struct scan scan_option(const struct conf *conf, const char *field, struct str text, struct conf_issues *issues);
/* The words of the next entry that has any, in an array in `arena`. False at the end. */
bool scan_entry(struct scan *s, struct arena *arena, struct word **ret_words, unsigned *ret_n);
/* The part of a word from an offset on, as a word. */
struct word word_from(struct word w, size_t offset);
/* Split a word at commas, one at a time; empty ones as well. False when nothing is left. */
bool word_item(struct word *rest, struct word *ret_item);
unsigned word_count(struct word w); /* of items, empty ones as well */

/* All items of a plain list, where comma, blank, newline and semicolon separate alike; empty ones are left out. */
struct word *scan_list(struct scan *s, struct arena *arena, unsigned *ret_n);

void scan_error(const struct scan *s, struct word at, const char *format, ...) __attribute__((format(printf, 3, 4)));
void scan_warning(const struct scan *s, struct word at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The nearest of some names, if any is near enough to be meant: "; did you mean eu?" or "". */
struct str scan_suggest(struct arena *arena, struct str wrong, const struct str *names, unsigned n);

#endif
