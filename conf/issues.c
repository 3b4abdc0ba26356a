/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>

#include "conf/conf.h"

void
conf_issue(struct conf_issues *issues, bool is_error, struct str source, unsigned line, unsigned column,
    const char *format, ...)
{
    struct conf_issue *items = ARENA_ARRAY(issues->arena, issues->n + 1, struct conf_issue);
    struct buf text = { 0 };
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    if (issues->n)
        memcpy(items, issues->items, issues->n * sizeof(*items));
    items[issues->n] = (struct conf_issue){ is_error, arena_str(issues->arena, source), line, column,
        arena_str(issues->arena, buf_str(&text)) };
    issues->items = items;
    issues->n++;
    issues->n_errors += is_error;
    buf_fini(&text);
}

void
conf_issues_print(const struct conf_issues *issues, struct buf *out)
{
    for (unsigned i = 0; i < issues->n; i++) {
        const struct conf_issue *issue = &issues->items[i];

        buf_add(out, issue->source);
        if (issue->line)
            buf_printf(out, ":%u", issue->line);
        if (issue->line && issue->column)
            buf_printf(out, ":%u", issue->column);
        buf_printf(out, ": %s: " STR_FMT "\n", issue->is_error ? "error" : "warning", STR_ARG(issue->text));
    }
}
