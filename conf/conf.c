/* SPDX-License-Identifier: Apache-2.0
 *
 * From environment to struct conf: gather the settings (the environment wins over the env file), take the value of every
 * option, then explain every setting that was no option's. Nothing stops at the first mistake.
 *
 *   1. Every option has an origin, whether it was given or not.
 *   2. A file that could not be read is watched all the same: it may come to be.
 */
#include <assert.h>

#include "conf/conf_check.h"
#include "conf/env_file.h"
#include "conf/option_table.h"
#include "conf/read_file.h"
#include "proxy/base/mem.h"

enum { FILE_MAX_BYTES = 16 << 20 };

/* A NAME=VALUE seen, the name without its SEXTANT_. */
struct setting {
    struct str name, value;
    struct str file;       /* the env file, or empty: the environment */
    unsigned line, column; /* of the name; 0 in the environment, which has no lines */
    unsigned value_line, value_column;
    bool is_used;
};

struct loader {
    struct conf *conf;
    struct conf_issues *issues;
    struct setting *settings;
    unsigned n, cap;
};

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
find_setting(const struct loader *l, struct str name)
{
    for (unsigned i = 0; i < l->n; i++) {
        if (str_eq(l->settings[i].name, name))
            return &l->settings[i];
    }
    return NULL;
}

/* "SEXTANT_LISTEN", or with the env file it stands in. */
static struct str
setting_source(struct arena *a, const struct setting *s)
{
    if (s->file.len)
        return arena_printf(a, "SEXTANT_" STR_FMT " (" STR_FMT ")", STR_ARG(s->name), STR_ARG(s->file));
    return arena_printf(a, "SEXTANT_" STR_FMT, STR_ARG(s->name));
}

static void
gather_environment(struct loader *l, char **environ)
{
    struct arena *a = &l->conf->arena;

    for (; *environ; environ++) {
        struct str name, value;

        if (str_cut(str_from(*environ), '=', &name, &value) && str_starts(name, STR("SEXTANT_")))
            add_setting(l, (struct setting){ .name = arena_str(a, str_skip(name, 8)),
                               .value = arena_str(a, value),
                               .value_line = 1,
                               .value_column = 1 });
    }
}

static bool
read_text(struct loader *l, struct str path, const struct conf_origin *at, struct str *ret_text)
{
    const char *error = read_file(path, FILE_MAX_BYTES, &l->conf->arena, ret_text);

    conf_add_file(l->conf, path);
    if (error)
        conf_issue(
            l->issues, true, at->source, at->line, at->column, "cannot read " STR_FMT ": %s", STR_ARG(path), error);
    return !error;
}

/* Given in the environment, as itself or by _FILE? `n` is how many settings the environment had. */
static bool
is_in_environment(const struct loader *l, unsigned n, struct str name)
{
    bool is_file = str_ends(name, STR("_FILE"));
    struct str base = is_file ? str_make(name.p, name.len - 5) : name;

    for (unsigned i = 0; i < n; i++) {
        struct str other = l->settings[i].name;

        if (str_eq(other, base) || (str_starts(other, base) && str_eq(str_skip(other, base.len), STR("_FILE"))))
            return true;
    }
    return false;
}

static void
add_line(struct loader *l, unsigned n_environment, struct str path, const struct env_line *line, struct str source)
{
    struct str name = str_skip(line->name, 8);
    struct setting *before = find_setting(l, name);

    if (!str_starts(line->name, STR("SEXTANT_")))
        conf_issue(l->issues, true, source, line->line, line->column, "expected a SEXTANT_ variable, not " STR_FMT,
            STR_ARG(line->name));
    else if (str_eq(name, STR("ENV_FILE")))
        conf_issue(l->issues, true, source, line->line, line->column, "an env file may not name another");
    else if (before && before->file.len)
        conf_issue(l->issues, true, source, line->line, line->column, STR_FMT " is given twice, first in line %u",
            STR_ARG(line->name), before->line);
    else if (!is_in_environment(l, n_environment, name))
        add_setting(l, (struct setting){ .name = arena_str(&l->conf->arena, name),
                           .value = line->value,
                           .file = path,
                           .line = line->line,
                           .column = line->column,
                           .value_line = line->value_line,
                           .value_column = line->value_column });
}

static void
gather_env_file(struct loader *l)
{
    struct setting *env = find_setting(l, STR("ENV_FILE"));
    struct conf_origin at = { .source = STR("SEXTANT_ENV_FILE"), .line = 1, .column = 1 };
    unsigned n_environment = l->n;
    struct env_file f;
    struct env_line line;
    struct str path, text;

    if (!env)
        return;
    env->is_used = true;
    path = str_trim(env->value);
    if (!read_text(l, path, &at, &text))
        return;
    f = env_file_begin(arena_printf(&l->conf->arena, "SEXTANT_ENV_FILE (" STR_FMT ")", STR_ARG(path)), text,
        &l->conf->arena, l->issues);
    while (env_file_next(&f, &line))
        add_line(l, n_environment, path, &line, f.source);
}

/* --- values ------------------------------------------------------------------------------------------------------ */

/* Documents begin with none of these, so one line that does is a name. */
static bool
names_a_file(struct str value)
{
    return str_find(value, '\n') < 0 &&
           (str_starts(value, STR("/")) || str_starts(value, STR("./")) || str_starts(value, STR("../")));
}

/* Cut the blanks; the origin then is where the rest begins. */
static struct str
trim_value(struct str value, struct conf_origin *o)
{
    struct str trimmed = str_trim(value);

    for (const char *p = value.p; p < trimmed.p; p++) {
        o->line += *p == '\n';
        o->column = *p == '\n' ? 1 : o->column + 1;
    }
    return trimmed;
}

static struct str
trim_end(struct str s)
{
    struct str trimmed = str_trim(s);

    return trimmed.len ? str_make(s.p, (size_t)(trimmed.p + trimmed.len - s.p)) : str_make(s.p, 0);
}

/* The text of a setting, read from a file where it names one. False when it could not be read. */
static bool
setting_text(struct loader *l, const struct option *o, const struct setting *s, bool is_by_file, struct conf_origin *at,
    struct str *ret_text)
{
    struct str path;

    *at = (struct conf_origin){ setting_source(&l->conf->arena, s), s->value_line, s->value_column, true, false };
    path = str_trim(s->value);
    if (!is_by_file && !(o->flags & OPTION_DOC && names_a_file(path))) {
        *ret_text = s->value;
        return true;
    }
    trim_value(s->value, at);
    if (!read_text(l, path, at, ret_text))
        return false;
    at->source = arena_printf(&l->conf->arena, "SEXTANT_" STR_FMT " (" STR_FMT ")", STR_ARG(s->name), STR_ARG(path));
    at->line = at->column = 1;
    return true;
}

/* The other form of the same variable, with or without _FILE, must not be given too. */
static bool
refuse_both(struct loader *l, struct setting *direct, struct setting *by_file, struct conf_origin *at)
{
    if (!direct || !by_file)
        return false;
    *at = (struct conf_origin){ setting_source(&l->conf->arena, by_file), by_file->line, by_file->column, true, true };
    conf_issue(l->issues, true, at->source, at->line, at->column,
        "SEXTANT_" STR_FMT " and SEXTANT_" STR_FMT " are both set: use one", STR_ARG(direct->name),
        STR_ARG(by_file->name));
    return true;
}

static void
parse_setting(struct loader *l, const struct option *o, struct str text, struct conf_origin *at)
{
    const char *error;

    text = arena_str(&l->conf->arena, o->flags & OPTION_DOC ? trim_end(text) : trim_value(text, at));
    error = value_parse(o->type, text, o->min, o->max, (char *)l->conf + o->offset);
    at->is_bad = error != NULL;
    if (error == value_out_of_range)
        conf_issue(l->issues, true, at->source, at->line, at->column, STR_FMT " is out of range: expected %s to %s",
            STR_ARG(text), o->min, o->max);
    else if (error)
        conf_issue(l->issues, true, at->source, at->line, at->column, "%s, not \"" STR_FMT "\"", error, STR_ARG(text));
}

static void
load_option(struct loader *l, unsigned index)
{
    const struct option *o = &conf_options[index];
    struct conf_origin *at = &l->conf->origins[index];
    struct str name = option_env_name(&l->conf->arena, o->name), text = STR_NONE;
    struct str file_name = arena_printf(&l->conf->arena, STR_FMT "_FILE", STR_ARG(name));
    struct setting *direct = find_setting(l, str_skip(name, 8)), *by_file = find_setting(l, str_skip(file_name, 8));
    const char *error = value_parse(o->type, str_from(o->default_value), o->min, o->max, (char *)l->conf + o->offset);

    assert(!error);
    *at = (struct conf_origin){ .source = name, .line = 1, .column = 1 };
    if (direct)
        direct->is_used = true;
    if (by_file)
        by_file->is_used = true;
    if (!refuse_both(l, direct, by_file, at) && (direct || by_file)) {
        at->is_bad = !setting_text(l, o, direct ? direct : by_file, !direct, at, &text);
        if (!at->is_bad)
            parse_setting(l, o, text, at);
    }
}

static void
add_cluster_setting(struct loader *l, struct cluster_setting s)
{
    struct conf *conf = l->conf;
    struct cluster_setting *all = ARENA_ARRAY(&conf->arena, conf->n_cluster_settings + 1, struct cluster_setting);

    if (conf->n_cluster_settings)
        memcpy(all, conf->cluster_settings, conf->n_cluster_settings * sizeof(*all));
    all[conf->n_cluster_settings++] = s;
    conf->cluster_settings = all;
}

/* What cluster it names is for the topology to say; an option of the whole program was taken before. */
static void
load_cluster_setting(struct loader *l, struct setting *s)
{
    struct arena *a = &l->conf->arena;
    struct cluster_setting found = { .text = STR_NONE };
    bool is_file = false;
    struct setting *other;

    found.option = cluster_option_match(a, s->name, &found.name, &is_file);
    if (s->is_used || !found.option)
        return;
    other = find_setting(
        l, is_file ? str_make(s->name.p, s->name.len - 5) : arena_printf(a, STR_FMT "_FILE", STR_ARG(s->name)));
    s->is_used = true;
    if (other)
        other->is_used = true;
    if (refuse_both(l, is_file ? other : s, is_file ? s : other, &found.at))
        return;
    if (!setting_text(l, found.option, s, is_file, &found.at, &found.text))
        return;
    found.text = found.option->flags & OPTION_DOC ? trim_end(found.text) : trim_value(found.text, &found.at);
    found.text = arena_str(a, found.text);
    add_cluster_setting(l, found);
}

static struct str
cluster_option_list(struct arena *a)
{
    struct str list = STR("; a cluster has");

    for (unsigned i = 0; i < n_cluster_options; i++)
        list = arena_printf(a, STR_FMT "%s " STR_FMT, STR_ARG(list), i ? "," : "",
            STR_ARG(cluster_option_env_name(a, STR("<NAME>"), cluster_option_table[i].name)));
    return list;
}

/* Kubernetes' names and the switches of tests are ignored in the environment only: nobody puts them into a file. */
static void
refuse_unknown(struct loader *l)
{
    for (unsigned i = 0; i < l->n; i++) {
        const struct setting *s = &l->settings[i];
        struct arena *a = &l->conf->arena;
        struct str near;

        if (s->is_used || (s->file.len == 0 && (conf_is_injected(s->name) || str_starts(s->name, STR("TEST_")))))
            continue;
        near = option_nearest(a, s->name);
        if (str_starts(s->name, STR("CLUSTER_")) && str_find(str_skip(s->name, 8), '_') >= 0)
            near = cluster_option_list(a);
        else if (near.len)
            near = arena_printf(a, "; did you mean " STR_FMT "?", STR_ARG(near));
        else
            near = STR("; sextant --help lists all");
        conf_issue(l->issues, true, setting_source(a, s), s->line, s->column,
            "unknown variable SEXTANT_" STR_FMT STR_FMT, STR_ARG(s->name), STR_ARG(near));
    }
}

struct conf *
conf_load(char **environ, struct conf_issues *issues)
{
    struct loader l = { .conf = MEM_NEW(struct conf), .issues = issues };

    l.conf->origins = ARENA_ARRAY(&l.conf->arena, conf_n_options, struct conf_origin);
    gather_environment(&l, environ);
    gather_env_file(&l);
    for (unsigned i = 0; i < conf_n_options; i++) {
        if (conf_options[i].name)
            load_option(&l, i);
    }
    for (unsigned i = 0; i < l.n; i++)
        load_cluster_setting(&l, &l.settings[i]);
    refuse_unknown(&l);
    conf_check(l.conf, issues);
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

void
conf_add_file(struct conf *conf, struct str path)
{
    struct str *files;

    for (unsigned i = 0; i < conf->n_files; i++) {
        if (str_eq(conf->files[i], path))
            return;
    }
    files = ARENA_ARRAY(&conf->arena, conf->n_files + 1, struct str);
    if (conf->n_files)
        memcpy(files, conf->files, conf->n_files * sizeof(*files));
    files[conf->n_files++] = arena_str(&conf->arena, path);
    conf->files = files;
}

const struct conf_origin *
conf_origin(const struct conf *conf, const char *field)
{
    return &conf->origins[option_find(field) - conf_options];
}

struct str
conf_source(const struct conf *conf, const char *field)
{
    return conf_origin(conf, field)->source;
}
