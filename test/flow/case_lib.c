/* SPDX-License-Identifier: Apache-2.0
 *
 * Case files: every .txt of a folder, a case from each line that begins with "== " to the next.
 */
#include "test/flow/case_lib.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/buf.h"
#include "proxy/base/mem.h"

static char
escape(struct str text, size_t *i)
{
    char hex[3] = { 0 };

    switch (text.p[++*i]) {
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'x':
        memcpy(hex, text.p + *i + 1, 2);
        *i += 2;
        return (char)strtol(hex, NULL, 16);
    default:
        return text.p[*i];
    }
}

struct str
case_bytes(struct arena *a, struct str text)
{
    struct buf b = { 0 };
    struct str copy;

    for (size_t i = 0; i < text.len; i++)
        buf_putc(&b, text.p[i] == '\\' && i + 1 < text.len ? escape(text, &i) : text.p[i]);
    copy = arena_str(a, buf_str(&b));
    buf_fini(&b);
    return copy;
}

static struct str
read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    struct buf b = { 0 };
    size_t n;

    if (!file)
        return STR_NONE;
    while ((n = fread(buf_reserve(&b, 4096), 1, 4096, file)) > 0)
        buf_commit(&b, n);
    fclose(file);
    n = buf_len(&b);
    return str_make(buf_take(&b), n);
}

static unsigned
add_cases(const char *path, struct flow_case *cases, unsigned n)
{
    struct str text = read_file(path), rest = text, line;
    const char *begin = NULL;
    unsigned number_of_line = 0;

    while (rest.len) {
        str_cut(rest, '\n', &line, &rest);
        number_of_line++;
        if (!str_starts(line, STR("== ")))
            continue;
        if (begin)
            cases[n++].text = mem_dup(begin, (size_t)(line.p - begin));
        if (n == CASES_MAX)
            break;
        begin = line.p + line.len + (rest.len > 0);
        cases[n] = (struct flow_case){ .file = mem_dup(path, strlen(path)), .line = number_of_line + 1 };
        cases[n].name = mem_dup(line.p + 3, line.len - 3);
    }
    if (begin)
        cases[n++].text = mem_dup(begin, (size_t)(text.p + text.len - begin));
    mem_free((void *)(uintptr_t)text.p);
    return n;
}

static int
is_case_file(const struct dirent *entry)
{
    return str_ends(str_from(entry->d_name), STR(".txt"));
}

unsigned
cases_load(const char *folder, struct flow_case cases[CASES_MAX])
{
    struct dirent **entries = NULL;
    int n_files = scandir(folder, &entries, is_case_file, alphasort);
    unsigned n = 0;

    for (int i = 0; i < n_files; i++) {
        struct buf path = { 0 };

        buf_printf(&path, "%s/%s", folder, entries[i]->d_name);
        buf_putc(&path, '\0');
        n = add_cases(buf_str(&path).p, cases, n);
        buf_fini(&path);
        (free)(entries[i]); /* scandir's own */
    }
    (free)(entries);
    return n;
}

void
cases_free(struct flow_case *cases, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        mem_free(cases[i].file);
        mem_free(cases[i].name);
        mem_free(cases[i].text);
    }
}
