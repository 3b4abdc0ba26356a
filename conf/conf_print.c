/* SPDX-License-Identifier: Apache-2.0
 *
 * The options in the forms in which people and programs read them.
 */
#include "conf/option_table.h"
#include "proxy/base/json.h"

static const char cluster_group[] = "Of one cluster";

static void
print_value(const struct conf *conf, const struct option *o, struct buf *out)
{
    buf_reserve(out, 1); /* so that an empty value is a slice of something */
    value_print(o->type, (const char *)conf + o->offset, out);
}

/* "10ms to 1h", or nothing. */
static void
print_range(const struct option *o, struct buf *out)
{
    if (*o->min || *o->max)
        buf_printf(out, "%s to %s", o->min, o->max);
}

static void
help_option(const struct option *o, struct str name, struct buf *out)
{
    buf_printf(out, "  " STR_FMT "  (%s", STR_ARG(name), value_type_name(o->type));
    if (*o->min || *o->max)
        buf_add(out, STR(", "));
    print_range(o, out);
    buf_printf(out, ", default %s%s)\n      %s\n", *o->default_value ? o->default_value : "empty",
        o->flags & OPTION_START ? "; restart to change" : "", o->help);
}

void
conf_print_help(struct buf *out)
{
    struct arena a = { 0 };

    buf_add(out, STR("\nVariables. Each may also be given as ..._FILE, a file that holds the value; SEXTANT_ENV_FILE "
                     "names a file\n"
                     "of NAME=VALUE lines. Sizes: 64KiB, 1MB; durations: 250ms, 2s, 5min; places: aws:eu-central-1, "
                     "DE, 50.1,8.7.\n"));
    for (unsigned i = 0; i < conf_n_options; i++) {
        const struct option *o = &conf_options[i];

        if (o->group) {
            buf_printf(out, "\n%s\n", o->group);
            continue;
        }
        help_option(o, option_env_name(&a, o->name), out);
    }
    buf_printf(out, "\n%s\n", cluster_group);
    for (unsigned i = 0; i < n_cluster_options; i++) {
        const struct option *o = &cluster_option_table[i];

        help_option(o, cluster_option_env_name(&a, STR("<NAME>"), o->name), out);
    }
    arena_fini(&a);
}

/* A cell of a table: | would end it. */
static void
put_cell(const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '|')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

static void
print_row(const struct option *o, struct str name, struct buf *out)
{
    const char *tick = *o->default_value ? "`" : "";

    buf_printf(
        out, "| `" STR_FMT "` | %s | %s%s%s | ", STR_ARG(name), value_type_name(o->type), tick, o->default_value, tick);
    print_range(o, out);
    buf_printf(out, " | %s | ", o->flags & OPTION_START ? "restart" : "reload");
    put_cell(o->help, out);
    buf_add(out, STR(" |\n"));
}

static void
print_group(const char *title, struct buf *out)
{
    buf_printf(
        out, "\n## %s\n\n| variable | type | default | range | change | meaning |\n|---|---|---|---|---|---|\n", title);
}

void
conf_print_markdown(struct buf *out)
{
    struct arena a = { 0 };

    buf_add(out,
        STR("# Options\n\nMade from `conf/options.def` by `make options`; do not edit.\n\n"
            "Every option is an environment variable. Each may also be given as `…_FILE`, the name of a file that "
            "holds the "
            "value (not both).\n`SEXTANT_CLUSTERS`, `_PARTITION_MAP`, `_AREAS` and `_OVERRIDES` also take the name of "
            "a "
            "file as their value: one line that begins with `/`, `./` or `../`.\n\n"
            "In the variables of one cluster, `<NAME>` is the cluster's name in capitals, with `_` for `-`: those of "
            "`eu-west` "
            "begin with `SEXTANT_CLUSTER_EU_WEST_`.\n\n"
            "`SEXTANT_ENV_FILE` names a file of lines `NAME=VALUE`; the environment itself wins over it. A `#` at the "
            "beginning or after a blank starts a comment.\nA value in `'…'` or `\"…\"` may hold anything and go over "
            "several "
            "lines; in `\"…\"`, `\\\"` and `\\\\` stand for `\"` and `\\`. Nothing is expanded.\n\n"
            "| type | values |\n|---|---|\n"
            "| on/off | `on` `off`, `true` `false`, `yes` `no`, `1` `0` |\n"
            "| number | digits |\n"
            "| size | a number and `B`, `KiB` `MiB` `GiB` `TiB` (1024), `KB` `MB` `GB` (1000); bytes without |\n"
            "| duration | a number and `ms`, `s`, `m` or `min`, `h`, `d`; or `0` |\n"
            "| percent | a number, with or without `%` |\n\n"
            "*restart*: a change needs a restart; a reload says so and keeps the old value.\n"));
    for (unsigned i = 0; i < conf_n_options; i++) {
        const struct option *o = &conf_options[i];

        if (o->group)
            print_group(o->group, out);
        else
            print_row(o, option_env_name(&a, o->name), out);
    }
    print_group(cluster_group, out);
    for (unsigned i = 0; i < n_cluster_options; i++) {
        const struct option *o = &cluster_option_table[i];

        print_row(o, cluster_option_env_name(&a, STR("<NAME>"), o->name), out);
    }
    arena_fini(&a);
}

static void
print_double_quoted(struct str value, struct buf *out)
{
    buf_putc(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\')
            buf_putc(out, '\\');
        buf_putc(out, value.p[i]);
    }
    buf_putc(out, '"');
}

/* As a comment: whoever reads the lines back has to add it. */
static void
print_secret(struct str name, bool is_given, struct buf *out)
{
    if (is_given)
        buf_printf(out, "# " STR_FMT " is set, and not printed\n", STR_ARG(name));
}

void
conf_print_env(const struct conf *conf, struct buf *out)
{
    struct arena a = { 0 };
    struct buf value = { 0 };

    for (unsigned i = 0; i < conf_n_options; i++) {
        const struct option *o = &conf_options[i];

        if (!o->name)
            continue;
        if (o->flags & OPTION_SECRET) {
            print_secret(option_env_name(&a, o->name), conf->origins[i].is_given, out);
            continue;
        }
        buf_clear(&value);
        print_value(conf, o, &value);
        buf_printf(out, STR_FMT "=", STR_ARG(option_env_name(&a, o->name)));
        print_double_quoted(buf_str(&value), out);
        buf_putc(out, '\n');
    }
    for (unsigned i = 0; i < conf->n_cluster_settings; i++) {
        const struct cluster_setting *s = &conf->cluster_settings[i];

        if (s->option->flags & OPTION_SECRET) {
            print_secret(cluster_option_env_name(&a, s->name, s->option->name), true, out);
            continue;
        }
        buf_printf(out, STR_FMT "=", STR_ARG(cluster_option_env_name(&a, s->name, s->option->name)));
        print_double_quoted(s->text, out);
        buf_putc(out, '\n');
    }
    buf_fini(&value);
    arena_fini(&a);
}

static void
put_json_option(
    struct json_writer *w, const struct option *o, struct str name, struct str value, const struct conf_origin *at)
{
    json_key_str(w, name);
    json_begin_object(w);
    json_key(w, "value");
    json_put_str(w, o->flags & OPTION_SECRET && value.len ? STR("(secret)") : value);
    json_key(w, "default");
    json_put_text(w, o->default_value);
    json_key(w, "source");
    json_put_str(w, at->is_given ? at->source : STR("default"));
    json_key(w, "reload");
    json_put_bool(w, !(o->flags & OPTION_START));
    json_end_object(w);
}

void
conf_print_json(const struct conf *conf, struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct arena a = { 0 };
    struct buf value = { 0 };

    json_begin_object(&w);
    for (unsigned i = 0; i < conf_n_options; i++) {
        const struct option *o = &conf_options[i];

        if (!o->name)
            continue;
        buf_clear(&value);
        print_value(conf, o, &value);
        put_json_option(&w, o, option_env_name(&a, o->name), buf_str(&value), &conf->origins[i]);
    }
    for (unsigned i = 0; i < conf->n_cluster_settings; i++) {
        const struct cluster_setting *s = &conf->cluster_settings[i];

        put_json_option(&w, s->option, cluster_option_env_name(&a, s->name, s->option->name), s->text, &s->at);
    }
    json_end_object(&w);
    buf_fini(&value);
    arena_fini(&a);
}

void
conf_print_restart_needed(const struct conf *old, const struct conf *fresh, bool has_journal, struct buf *out)
{
    struct arena a = { 0 };

    for (unsigned i = 0; i < conf_n_options; i++) {
        struct buf before = { 0 }, after = { 0 };

        if (!conf_options[i].name || !(conf_options[i].flags & OPTION_START) ||
            (conf_options[i].flags & OPTION_JOURNAL && !has_journal))
            continue;
        print_value(old, &conf_options[i], &before);
        print_value(fresh, &conf_options[i], &after);
        if (!str_eq(buf_str(&before), buf_str(&after)))
            buf_printf(out, "%s" STR_FMT, buf_len(out) ? ", " : "", STR_ARG(option_env_name(&a, conf_options[i].name)));
        buf_fini(&before);
        buf_fini(&after);
    }
    arena_fini(&a);
}
