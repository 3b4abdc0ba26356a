/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/scan.h"

#include <stdarg.h>

#include "proxy/base/mem.h"

struct scan
scan_begin(struct str source, struct str text, struct conf_issues *issues)
{
    return (struct scan){ .source = source, .rest = text, .line = 1, .column = 1, .issues = issues };
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
ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == '#';
}

static struct word
take_word(struct scan *s)
{
    struct word w = { .text = { s->rest.p, 0 }, .line = s->line, .column = s->column };

    while (s->rest.len && !ends_word(s->rest.p[0])) {
        w.text.len++;
        skip_one(s);
    }
    return w;
}

struct word_list {
    struct word *words;
    unsigned n, cap;
};

static void
add_word(struct word_list *list, struct arena *arena, struct word w)
{
    if (list->n == list->cap) {
        struct word *grown = ARENA_ARRAY(arena, list->cap ? (size_t)list->cap * 2 : 8, struct word);

        if (list->n)
            memcpy(grown, list->words, list->n * sizeof(*grown));
        list->words = grown;
        list->cap = list->cap ? list->cap * 2 : 8;
    }
    list->words[list->n++] = w;
}

bool
scan_entry(struct scan *s, struct arena *arena, struct word **ret_words, unsigned *ret_n)
{
    struct word_list list = { NULL, 0, 0 };
    bool is_over = false;

    while (s->rest.len && !is_over) {
        char c = s->rest.p[0];

        if (c == '#') {
            skip_comment(s);
        } else if (ends_word(c)) {
            is_over = (c == '\n' || c == ';') && list.n;
            skip_one(s);
        } else {
            add_word(&list, arena, take_word(s));
        }
    }
    *ret_words = list.words;
    *ret_n = list.n;
    return list.n > 0;
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
        unsigned d = str_distance(wrong, names[i]);

        if (d < best && d < names[i].len) {
            best = d;
            at = i;
        }
    }
    if (at == n)
        return STR("");
    return arena_printf(arena, "; did you mean " STR_FMT "?", STR_ARG(names[at]));
}
