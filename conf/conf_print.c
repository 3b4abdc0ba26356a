/* SPDX-License-Identifier: Apache-2.0
 *
 * The options in the forms in which people and programs read them.
 */
#include "conf/option_table.h"
#include "proxy/base/json.h"

static void
print_value(const struct conf *conf, const struct option *o, struct buf *out)
{
    value_print(o->type, (const char *)conf + o->offset, out);
}

void
conf_print_help(struct buf *out)
{
    struct arena a = { 0 };

    for (unsigned i = 0; i < conf_n_options; i++) {
        const struct option *o = &conf_options[i];

        if (o->group) {
            buf_printf(out, "\n%s\n", o->group);
            continue;
        }
        buf_printf(out, "  " STR_FMT "  (%s, default %s%s%s)\n      %s\n", STR_ARG(option_env_name(&a, o->name)),
            value_type_name(o->type), *o->default_value ? "" : "empty", o->default_value,
            o->flags & OPTION_START ? "; restart to change" : "", o->help);
    }
    arena_fini(&a);
}

void
conf_print_markdown(struct buf *out)
{
    struct arena a = { 0 };

    buf_add(out, STR("# Options\n\nMade from `conf/options.def` by `make options`. Each may also be given as `…_FILE`, "
                     "the name of a "
                     "file that holds the value;\n`SEXTANT_ENV_FILE` names a file of such lines (`NAME=VALUE`, `#` "
                     "comments, quotes for values of "
                     "several lines).\nThe environment itself wins over that file.\n"));
    for (unsigned i = 0; i < conf_n_options; i++) {
        const struct option *o = &conf_options[i];

        if (o->group) {
            buf_printf(out,
                "\n## %s\n\n| variable | type | default | range | reload | meaning |\n|---|---|---|---|---|---|\n",
                o->group);
            continue;
        }
        buf_printf(out, "| `" STR_FMT "` | %s | %s%s%s | %s%s%s | %s | %s |\n", STR_ARG(option_env_name(&a, o->name)),
            value_type_name(o->type), *o->default_value ? "`" : "", o->default_value, *o->default_value ? "`" : "",
            o->min, *o->min ? " to " : "", o->max, o->flags & OPTION_START ? "no" : "yes", o->help);
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

void
conf_print_env(const struct conf *conf, struct buf *out)
{
    struct arena a = { 0 };
    struct buf value = { 0 };

    for (unsigned i = 0; i < conf_n_options; i++) {
        const struct option *o = &conf_options[i];

        if (!o->name || o->flags & OPTION_SECRET)
            continue;
        buf_clear(&value);
        print_value(conf, o, &value);
        buf_printf(out, STR_FMT "=", STR_ARG(option_env_name(&a, o->name)));
        print_double_quoted(str_trim(buf_str(&value)), out);
        buf_putc(out, '\n');
    }
    buf_fini(&value);
    arena_fini(&a);
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
        if (!(o->flags & OPTION_SECRET))
            print_value(conf, o, &value);
        json_key_str(&w, option_env_name(&a, o->name));
        json_begin_object(&w);
        json_key(&w, "value");
        json_put_str(&w, o->flags & OPTION_SECRET ? STR("(secret)") : buf_str(&value));
        json_key(&w, "default");
        json_put_text(&w, o->default_value);
        json_key(&w, "source");
        json_put_str(&w, conf->sources && conf->sources[i].len ? conf->sources[i] : STR("default"));
        json_key(&w, "reload");
        json_put_bool(&w, !(o->flags & OPTION_START));
        json_end_object(&w);
    }
    json_end_object(&w);
    buf_fini(&value);
    arena_fini(&a);
}

void
conf_print_restart_needed(const struct conf *old, const struct conf *fresh, struct buf *out)
{
    struct arena a = { 0 };

    for (unsigned i = 0; i < conf_n_options; i++) {
        struct buf before = { 0 }, after = { 0 };

        if (!conf_options[i].name || !(conf_options[i].flags & OPTION_START))
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
