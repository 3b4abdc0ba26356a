/* SPDX-License-Identifier: Apache-2.0
 *
 * From environment to struct conf. Three passes: gather the settings (environment over env file), explain every name that
 * is not an option, parse every value. Nothing stops at the first mistake.
 */
#include "conf/option_table.h"
#include "conf/read_file.h"
#include "proxy/base/mem.h"

enum { FILE_MAX_BYTES = 16 << 20 };

/* A NAME=VALUE seen, without the SEXTANT_ prefix. */
struct setting {
    struct str name, value;
    struct str source; /* "SEXTANT_LISTEN" or "SEXTANT_ENV_FILE (/path)" */
    unsigned line, column;
    bool is_used;
};

struct loader {
    struct conf *conf;
    struct conf_issues *issues;
    struct setting *settings;
    unsigned n, cap;
};

/* --- names ------------------------------------------------------------------------------------------------------- */

static bool
has_middle(struct str s, struct str part)
{
    for (size_t i = 0; i + part.len <= s.len; i++) {
        if (str_eq(str_make(s.p + i, part.len), part))
            return true;
    }
    return false;
}

/* Kubernetes puts these into every container for services called sextant or sextant-something. */
bool
conf_is_injected(struct str name)
{
    return str_ends(name, STR("SERVICE_HOST")) || has_middle(name, STR("SERVICE_PORT")) ||
           str_ends(name, STR("_PORT")) || str_eq(name, STR("PORT")) || has_middle(name, STR("_TCP")) ||
           has_middle(name, STR("_UDP"));
}

static const char *
nearest_name(struct arena *a, struct str name)
{
    const char *best = NULL;
    unsigned best_distance = 4;

    for (unsigned i = 0; i < conf_n_options; i++) {
        struct str candidate;
        unsigned distance;

        if (!conf_options[i].name)
            continue;
        candidate = option_env_name(a, conf_options[i].name);
        distance = str_distance(str_skip(candidate, 8), name);
        if (distance < best_distance) {
            best_distance = distance;
            best = candidate.p;
        }
    }
    return best;
}

static void
refuse_unknown(struct loader *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct setting *s = &l->settings[i];
        struct str base = s->name;
        const char *near;

        if (s->is_used || conf_is_injected(s->name))
            continue;
        if (str_ends(base, STR("_FILE")))
            base.len -= 5;
        near = nearest_name(&l->conf->arena, base);
        conf_issue(l->issues, true, s->source, s->line, s->column, "unknown variable SEXTANT_" STR_FMT "%s%s%s",
            STR_ARG(s->name), near ? "; did you mean " : "", near ? near : "", near ? "?" : "; --help lists all");
    }
}

/* --- settings ---------------------------------------------------------------------------------------------------- */

static void
add_setting(struct loader *l, struct setting s)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 32;
        l->settings = mem_grow(l->settings, l->cap * sizeof(*l->settings));
    }
    l->settings[l->n++] = s;
}

static struct setting *
find_setting(struct loader *l, struct str name)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (str_eq(l->settings[i].name, name))
            return &l->settings[i];
    }
    return NULL;
}

static void
gather_environment(struct loader *l, char **environ)
{
    for (; *environ; environ++) {
        struct str name, value, entry = str_from(*environ);

        str_cut(entry, '=', &name, &value);
        if (!str_starts(name, STR("SEXTANT_")))
            continue;
        add_setting(l, (struct setting){ .name = arena_str(&l->conf->arena, str_skip(name, 8)),
                           .value = arena_str(&l->conf->arena, value),
                           .source = arena_str(&l->conf->arena, name) });
    }
}

static void
remember_file(struct conf *conf, struct str path)
{
    struct str *files = ARENA_ARRAY(&conf->arena, conf->n_files + 1, struct str);

    if (conf->n_files)
        memcpy(files, conf->files, conf->n_files * sizeof(*files));
    files[conf->n_files++] = path;
    conf->files = files;
}

void
conf_add_file(struct conf *conf, struct str path)
{
    remember_file(conf, arena_str(&conf->arena, path));
}

static bool
read_text(struct loader *l, struct str path, struct str source, struct str *ret_text)
{
    const char *error = read_file(path, FILE_MAX_BYTES, &l->conf->arena, ret_text);

    remember_file(l->conf, arena_str(&l->conf->arena, path));
    if (!error)
        return true;
    conf_issue(l->issues, true, source, 0, 0, "cannot read " STR_FMT ": %s", STR_ARG(path), error);
    return false;
}

/* A value in quotes may go over several lines. Single quotes keep everything; double quotes know \" \\ and \n. */
static bool
take_quoted(struct str *text, unsigned *line, struct arena *arena, struct str *ret_value)
{
    char quote = text->p[0];
    char *out = arena_alloc(arena, text->len + 1);
    size_t n = 0, i = 1;

    for (; i < text->len && text->p[i] != quote; i++) {
        char c = text->p[i];

        if (c == '\n')
            ++*line;
        if (quote == '"' && c == '\\' && i + 1 < text->len) {
            c = text->p[++i];
            c = c == 'n' ? '\n' : c;
        }
        out[n++] = c;
    }
    if (i == text->len)
        return false;
    *ret_value = str_make(out, n);
    *text = str_skip(*text, i + 1);
    return true;
}

static void
parse_env_line(struct loader *l, struct str *text, unsigned *line, struct str source)
{
    struct setting s = { .source = source, .line = *line, .column = 1 };
    struct str rest = *text, first_line, name, value;
    unsigned start = *line;

    str_cut(rest, '\n', &first_line, &rest);
    if (str_trim(first_line).len == 0 || str_trim(first_line).p[0] == '#') {
        *text = rest;
        ++*line;
        return;
    }
    if (!str_cut(first_line, '=', &name, &value)) {
        conf_issue(l->issues, true, source, start, 1, "expected NAME=VALUE");
        *text = rest;
        ++*line;
        return;
    }
    name = str_trim(name);
    if (str_starts(name, STR("export ")))
        name = str_trim(str_skip(name, 7));
    *text = str_make(value.p, (size_t)(text->p + text->len - value.p));
    if (value.len && (value.p[0] == '\'' || value.p[0] == '"')) {
        if (!take_quoted(text, line, &l->conf->arena, &value)) {
            conf_issue(
                l->issues, true, source, start, (unsigned)(value.p - first_line.p) + 1, "the quote is not closed");
            *text = str_skip(*text, text->len);
            return;
        }
        str_cut(*text, '\n', &first_line, text);
    } else {
        *text = rest;
    }
    ++*line;
    if (!str_starts(name, STR("SEXTANT_"))) {
        conf_issue(l->issues, true, source, start, 1, "expected a SEXTANT_ variable, not " STR_FMT, STR_ARG(name));
        return;
    }
    s.name = str_skip(name, 8);
    s.value = str_trim(value);
    if (!find_setting(l, s.name))
        add_setting(l, s);
}

static void
gather_env_file(struct loader *l)
{
    struct setting *env = find_setting(l, STR("ENV_FILE"));
    struct str text, source;
    unsigned line = 1;

    if (!env)
        return;
    env->is_used = true;
    if (!read_text(l, env->value, env->source, &text))
        return;
    source = arena_printf(&l->conf->arena, "SEXTANT_ENV_FILE (" STR_FMT ")", STR_ARG(env->value));
    while (text.len)
        parse_env_line(l, &text, &line, source);
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static bool
names_a_file(struct str value)
{
    return (str_starts(value, STR("/")) || str_starts(value, STR("./"))) && str_find(value, '\n') < 0 &&
           str_find(value, ' ') < 0 && str_find(value, ';') < 0;
}

static void
set_source(struct conf *conf, unsigned index, struct str source)
{
    if (!conf->sources)
        conf->sources = ARENA_ARRAY(&conf->arena, conf_n_options, struct str);
    conf->sources[index] = source;
}

static void
load_option(struct loader *l, unsigned index)
{
    const struct option *o = &conf_options[index];
    struct arena *a = &l->conf->arena;
    struct str name = option_env_name(a, o->name);
    struct setting *direct = find_setting(l, str_skip(name, 8));
    struct setting *by_file = find_setting(l, str_skip(arena_printf(a, STR_FMT "_FILE", STR_ARG(name)), 8));
    struct setting *s = direct ? direct : by_file;
    void *field = (char *)l->conf + o->offset;
    struct str value, source;
    const char *error = value_parse(o->type, str_from(o->default_value), "", "", field);

    set_source(l->conf, index, STR_NONE);
    if (!s || error)
        return;
    s->is_used = true;
    source = s->source;
    value = s->value;
    if (direct && by_file) {
        by_file->is_used = true;
        conf_issue(l->issues, true, name, 0, 0, STR_FMT " and " STR_FMT "_FILE are both set: use one", STR_ARG(name),
            STR_ARG(name));
        return;
    }
    if (!direct || (o->flags & OPTION_DOC && names_a_file(value))) {
        source = arena_printf(a, STR_FMT " (" STR_FMT ")", STR_ARG(s->source), STR_ARG(value));
        if (!read_text(l, value, s->source, &value))
            return;
        if (!(o->flags & OPTION_DOC))
            value = str_trim(value);
    }
    set_source(l->conf, index, source);
    error = value_parse(o->type, o->type == VALUE_text ? value : str_trim(value), o->min, o->max, field);
    if (!error)
        return;
    if (strcmp(error, "out of range") == 0)
        conf_issue(l->issues, true, source, s->line ? s->line : 1, 1, "" STR_FMT " is out of range: expected %s to %s",
            STR_ARG(str_trim(value)), o->min, o->max);
    else
        conf_issue(l->issues, true, source, s->line ? s->line : 1, 1, "%s, not \"" STR_FMT "\"", error,
            STR_ARG(str_trim(value)));
}

struct conf *
conf_load(char **environ, struct conf_issues *issues)
{
    struct loader l = { .conf = MEM_NEW(struct conf), .issues = issues };

    gather_environment(&l, environ);
    gather_env_file(&l);
    for (unsigned i = 0; i < conf_n_options; i++) {
        if (conf_options[i].name)
            load_option(&l, i);
    }
    refuse_unknown(&l);
    mem_free(l.settings);
    return l.conf;
}

void
conf_free(struct conf *conf)
{
    if (!conf)
        return;
    arena_fini(&conf->arena);
    mem_free(conf);
}

struct str
conf_source(const struct conf *conf, const char *field)
{
    for (unsigned i = 0; i < conf_n_options; i++) {
        if (conf_options[i].name && strcmp(conf_options[i].name, field) == 0 && conf->sources && conf->sources[i].len)
            return conf->sources[i];
    }
    return option_env_name((struct arena *)(uintptr_t)&conf->arena, field);
}
