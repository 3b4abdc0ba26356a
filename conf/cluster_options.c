/* SPDX-License-Identifier: Apache-2.0
 *
 * SEXTANT_CLUSTER_<NAME>_<OPTION>. A value that is wrong is quoted in the message, but a secret never.
 */
#include "conf/cluster_options.h"

#include <assert.h>
#include <stdarg.h>

#include "conf/option_table.h"
#include "conf/scan.h"

static void
set_defaults(struct cluster_conf *c, struct arena *arena)
{
    c->origins = ARENA_ARRAY(arena, n_cluster_options, struct conf_origin);
    for (unsigned i = 0; i < n_cluster_options; i++) {
        const struct option *o = &cluster_option_table[i];

        value_parse(o->type, str_from(o->default_value), o->min, o->max, (char *)&c->options + o->offset);
        c->origins[i] = (struct conf_origin){ .source = cluster_option_env_name(arena, c->name, o->name) };
    }
}

static void
set_option(struct cluster_conf *c, const struct cluster_setting *s, struct conf_issues *issues)
{
    const struct option *o = s->option;
    struct conf_origin *at = &c->origins[o - cluster_option_table];
    const char *error = value_parse(o->type, s->text, o->min, o->max, (char *)&c->options + o->offset);

    *at = s->at;
    at->is_bad = error != NULL;
    if (error == value_out_of_range)
        conf_issue(issues, true, at->source, at->line, at->column, STR_FMT " is out of range: expected %s to %s",
            STR_ARG(s->text), o->min, o->max);
    else if (error)
        conf_issue(issues, true, at->source, at->line, at->column, "%s, not \"" STR_FMT "\"", error,
            STR_ARG(o->flags & OPTION_SECRET ? STR("(secret)") : s->text));
}

static void
give(struct topology *t, const struct cluster_setting *s, struct arena *arena, struct conf_issues *issues)
{
    struct cluster_conf *found = NULL;
    struct str names[CLUSTERS_MAX];

    for (unsigned i = 0; i < t->n_clusters; i++) {
        struct cluster_conf *c = &t->clusters[i];

        names[i] = cluster_env_name(arena, c->name);
        if (!str_eq(names[i], s->name))
            continue;
        if (found) {
            conf_issue(issues, true, s->at.source, s->at.line, s->at.column,
                "clusters " STR_FMT " and " STR_FMT " would both take this variable: rename one", STR_ARG(found->name),
                STR_ARG(c->name));
            return;
        }
        found = c;
    }
    if (found)
        set_option(found, s, issues);
    else
        conf_issue(issues, true, s->at.source, s->at.line, s->at.column,
            "no cluster has a name that is " STR_FMT " in capitals" STR_FMT, STR_ARG(s->name),
            STR_ARG(scan_suggest(arena, s->name, names, t->n_clusters)));
}

void
cluster_options_parse(const struct conf *conf, struct topology *t, struct arena *arena, struct conf_issues *issues)
{
    for (unsigned i = 0; i < t->n_clusters; i++)
        set_defaults(&t->clusters[i], arena);
    for (unsigned i = 0; i < conf->n_cluster_settings; i++)
        give(t, &conf->cluster_settings[i], arena, issues);
}

static const struct conf_origin *
origin_of(const struct cluster_conf *c, const char *field)
{
    for (unsigned i = 0; i < n_cluster_options; i++) {
        if (strcmp(cluster_option_table[i].name, field) == 0)
            return &c->origins[i];
    }
    assert(!"an option of this name");
    return NULL;
}

bool
cluster_option_is_given(const struct cluster_conf *c, const char *field)
{
    return origin_of(c, field)->is_given;
}

void
cluster_option_issue(
    struct conf_issues *issues, bool is_error, const struct cluster_conf *c, const char *field, const char *format, ...)
{
    struct buf text = { 0 };
    const struct conf_origin *at = origin_of(c, field);
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    conf_issue(issues, is_error, at->source, at->line, at->column, STR_FMT, STR_ARG(buf_str(&text)));
    buf_fini(&text);
}
