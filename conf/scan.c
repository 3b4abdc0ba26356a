/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/scan.h"

#include <stdarg.h>

struct scan
scan_begin(struct str source, struct str text, struct conf_issues *issues)
{
    return (struct scan){ .source = source, .rest = text, .line = 1, .column = 1, .issues = issues };
}

struct scan
scan_option(const struct conf *conf, const char *field, struct str text, struct conf_issues *issues)
{
    const struct conf_origin *o = conf_origin(conf, field);
    struct scan s = scan_begin(o->source, text, issues);

    s.line = o->line;
    s.column = o->column;
    return s;
}

static void
skip_one(struct scan *s)
{
    if (s->rest.p[0] == '\n') {
        s->line++;
        s->column = 1;
    } else {
        s->column++;
    }
    s->rest = str_skip(s->rest, 1);
}

static void
skip_comment(struct scan *s)
{
    while (s->rest.len && s->rest.p[0] != '\n')
        skip_one(s);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool
ends_word(const struct scan *s, char c)
{
    return is_blank(c) || c == '\n' || c == ';' || (c == '#' && !s->keeps_hash);
}

static struct word
take_word(struct scan *s)
{
    struct word w = { .text = { s->rest.p, 0 }, .line = s->line, .column = s->column };

    while (s->rest.len && !ends_word(s, s->rest.p[0])) {
        w.text.len++;
        skip_one(s);
    }
    return w;
}

/* An array that doubles whenever its length is a power of two. */
static struct word *
push(struct arena *arena, struct word *words, unsigned n, struct word w)
{
    if ((n & (n - 1)) == 0) {
        struct word *grown = ARENA_ARRAY(arena, n ? n * 2 : 1, struct word);

        if (n)
            memcpy(grown, words, n * sizeof(*grown));
        words = grown;
    }
    words[n] = w;
    return words;
}

bool
scan_entry(struct scan *s, struct arena *arena, struct word **ret_words, unsigned *ret_n)
{
    struct word *words = NULL;
    unsigned n = 0;

    while (s->rest.len) {
        char c = s->rest.p[0];

        if (c == '#') {
            skip_comment(s);
        } else if (c == '\n' || c == ';') {
            skip_one(s);
            if (n)
                break;
        } else if (is_blank(c)) {
            skip_one(s);
        } else {
            words = push(arena, words, n, take_word(s));
            n++;
        }
    }
    *ret_words = words;
    *ret_n = n;
    return n > 0;
}

struct word
word_from(struct word w, size_t offset)
{
    w.text = str_skip(w.text, offset);
    w.column += (unsigned)offset;
    return w;
}

bool
word_item(struct word *rest, struct word *ret_item)
{
    struct str head, tail;

    if (!rest->text.p)
        return false;
    *ret_item = *rest;
    if (str_cut(rest->text, ',', &head, &tail))
        *rest = word_from(*rest, head.len + 1);
    else
        rest->text = STR_NONE;
    ret_item->text = head;
    return true;
}

unsigned
word_count(struct word w)
{
    unsigned n = 1;

    for (size_t i = 0; i < w.text.len; i++)
        n += w.text.p[i] == ',';
    return n;
}

/* The items of one word that are not empty, added to the list. */
static struct word *
push_items(struct arena *arena, struct word *items, unsigned *n, struct word rest)
{
    struct word item;

    while (word_item(&rest, &item)) {
        if (item.text.len)
            items = push(arena, items, (*n)++, item);
    }
    return items;
}

struct word *
scan_list(struct scan *s, struct arena *arena, unsigned *ret_n)
{
    struct word *items = NULL, *words;
    unsigned n = 0, n_words;

    while (scan_entry(s, arena, &words, &n_words)) {
        for (unsigned i = 0; i < n_words; i++)
            items = push_items(arena, items, &n, words[i]);
    }
    *ret_n = n;
    return items;
}

static void
report(const struct scan *s, bool is_error, struct word at, const char *format, va_list args)
{
    struct buf text = { 0 };

    buf_vprintf(&text, format, args);
    conf_issue(s->issues, is_error, s->source, at.line, at.column, STR_FMT, STR_ARG(buf_str(&text)));
    buf_fini(&text);
}

void
scan_error(const struct scan *s, struct word at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(s, true, at, format, args);
    va_end(args);
}

void
scan_warning(const struct scan *s, struct word at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report(s, false, at, format, args);
    va_end(args);
}

struct str
scan_suggest(struct arena *arena, struct str wrong, const struct str *names, unsigned n)
{
    unsigned best = 3, at = n;

    for (unsigned i = 0; i < n; i++) {
        unsigned d = str_eq_nocase(wrong, names[i]) ? 0 : str_distance(wrong, names[i]);

        if (d < best && d < names[i].len && d < wrong.len) {
            best = d;
            at = i;
        }
    }
    if (at == n)
        return STR("");
    return arena_printf(arena, "; did you mean " STR_FMT "?", STR_ARG(names[at]));
}
