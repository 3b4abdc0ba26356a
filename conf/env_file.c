/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/env_file.h"

struct env_file
env_file_begin(struct str source, struct str text, struct arena *arena, struct conf_issues *issues)
{
    return (
        struct env_file){ .source = source, .rest = text, .line = 1, .column = 1, .arena = arena, .issues = issues };
}

static void
skip(struct env_file *f, size_t n)
{
    for (; n; n--) {
        bool is_newline = f->rest.p[0] == '\n';

        f->line += is_newline;
        f->column = is_newline ? 1 : f->column + 1;
        f->rest = str_skip(f->rest, 1);
    }
}

/* What is left of the line, without its newline. */
static struct str
line_rest(const struct env_file *f)
{
    struct str line, after;

    str_cut(f->rest, '\n', &line, &after);
    return line;
}

static void
skip_blanks(struct env_file *f)
{
    while (f->rest.len && (f->rest.p[0] == ' ' || f->rest.p[0] == '\t' || f->rest.p[0] == '\r'))
        skip(f, 1);
}

static void
skip_line(struct env_file *f)
{
    skip(f, line_rest(f).len);
    if (f->rest.len)
        skip(f, 1);
}

static struct str
unquoted(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '#' && (i == 0 || text.p[i - 1] == ' ' || text.p[i - 1] == '\t'))
            text.len = i;
    }
    return str_trim(text);
}

/* `inner` begins after the quote. False when there is no other one; else what is between, and how many bytes that took. */
static bool
quoted(struct str inner, char quote, struct arena *arena, struct str *ret_value, size_t *ret_len)
{
    char *out = arena_alloc(arena, inner.len + 1);
    size_t n = 0, i = 0;

    for (; i < inner.len && inner.p[i] != quote; i++) {
        bool is_escape = quote == '"' && inner.p[i] == '\\' && i + 1 < inner.len;

        if (is_escape && (inner.p[i + 1] == '"' || inner.p[i + 1] == '\\'))
            i++;
        out[n++] = inner.p[i];
    }
    *ret_value = str_make(out, n);
    *ret_len = i;
    return i < inner.len;
}

static bool
take_quoted(struct env_file *f, struct env_line *l)
{
    char quote = f->rest.p[0];
    size_t len;
    struct str after;

    if (!quoted(str_skip(f->rest, 1), quote, f->arena, &l->value, &len)) {
        conf_issue(f->issues, true, f->source, f->line, f->column, "the quote is not closed");
        skip(f, f->rest.len);
        return false;
    }
    skip(f, 1);
    l->value_line = f->line;
    l->value_column = f->column;
    skip(f, len + 1);
    skip_blanks(f);
    after = line_rest(f);
    if (after.len == 0 || after.p[0] == '#')
        return true;
    conf_issue(f->issues, true, f->source, f->line, f->column,
        "nothing but a comment may follow the closing quote, not \"" STR_FMT "\"", STR_ARG(str_trim(after)));
    return false;
}

static bool
take_value(struct env_file *f, struct env_line *l)
{
    skip_blanks(f);
    l->value_line = f->line;
    l->value_column = f->column;
    if (f->rest.len && (f->rest.p[0] == '\'' || f->rest.p[0] == '"'))
        return take_quoted(f, l);
    l->value = unquoted(line_rest(f));
    return true;
}

/* One line that is neither empty nor a comment. */
static bool
take_line(struct env_file *f, struct env_line *l)
{
    struct str name, value;

    if (!str_cut(line_rest(f), '=', &name, &value)) {
        conf_issue(f->issues, true, f->source, f->line, f->column, "expected NAME=VALUE");
        return false;
    }
    if (str_starts(name, STR("export "))) {
        skip(f, 7);
        skip_blanks(f);
        name = str_make(f->rest.p, (size_t)(name.p + name.len - f->rest.p));
    }
    *l = (struct env_line){ .name = str_trim(name), .line = f->line, .column = f->column };
    skip(f, name.len + 1);
    return take_value(f, l);
}

bool
env_file_next(struct env_file *f, struct env_line *ret_line)
{
    struct env_line l;

    for (;;) {
        bool ok;

        skip_blanks(f);
        if (f->rest.len == 0)
            return false;
        ok = f->rest.p[0] != '\n' && f->rest.p[0] != '#' && take_line(f, &l);
        skip_line(f);
        if (ok) {
            *ret_line = l;
            return true;
        }
    }
}
