/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "conf/conf.h"

/* The list doubles whenever its length is a power of two, so that no capacity need be kept. */
static struct conf_issue *
next_issue(struct conf_issues *issues)
{
    unsigned n = issues->n;

    if ((n & (n - 1)) == 0) {
        struct conf_issue *items = ARENA_ARRAY(issues->arena, n ? n * 2 : 1, struct conf_issue);

        if (n)
            memcpy(items, issues->items, n * sizeof(*items));
        issues->items = items;
    }
    issues->n++;
    return &issues->items[n];
}

static void
add_issue(struct conf_issues *issues, bool is_error, struct str source, unsigned line, unsigned column,
    const char *format, va_list args)
{
    struct conf_issue *issue = next_issue(issues);
    struct buf text = { 0 };

    buf_vprintf(&text, format, args);
    *issue = (struct conf_issue){ is_error, arena_str(issues->arena, source), line, column,
        arena_str(issues->arena, buf_str(&text)) };
    issues->n_errors += is_error;
    buf_fini(&text);
}

void
conf_issue(struct conf_issues *issues, bool is_error, struct str source, unsigned line, unsigned column,
    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_issue(issues, is_error, source, line, column, format, args);
    va_end(args);
}

void
conf_option_issue(
    struct conf_issues *issues, bool is_error, const struct conf *conf, const char *field, const char *format, ...)
{
    const struct conf_origin *o = conf_origin(conf, field);
    va_list args;

    va_start(args, format);
    add_issue(issues, is_error, o->source, o->line, o->column, format, args);
    va_end(args);
}

/* What people wrote is quoted in messages and must not steer their terminal. */
static void
put_printable(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if ((c < 0x20 && c != '\n') || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_putc(out, (char)c);
    }
}

void
conf_issues_print(const struct conf_issues *issues, struct buf *out)
{
    for (unsigned i = 0; i < issues->n; i++) {
        const struct conf_issue *issue = &issues->items[i];

        put_printable(out, issue->source);
        if (issue->line)
            buf_printf(out, ":%u", issue->line);
        if (issue->line && issue->column)
            buf_printf(out, ":%u", issue->column);
        buf_printf(out, ": %s: ", issue->is_error ? "error" : "warning");
        put_printable(out, issue->text);
        buf_putc(out, '\n');
    }
}
