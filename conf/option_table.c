/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/option_table.h"

#include <assert.h>
#include <stddef.h>

enum {
    RELOAD = OPTION_RELOAD,
    START = OPTION_START,
    SECRET = OPTION_SECRET,
    DOC = OPTION_DOC,
    JOURNAL = OPTION_JOURNAL
};

const struct option conf_options[] = {
#define GROUP(title) { .group = title },
#define OPT(field, type, default_value, min, max, flags, help) \
    { #field, VALUE_##type, default_value, min, max, flags, help, offsetof(struct conf, field), NULL },
#include "conf/options.def"
#undef OPT
#undef GROUP
};
const unsigned conf_n_options = sizeof(conf_options) / sizeof(conf_options[0]);

const struct option cluster_option_table[] = {
#define OPT(field, type, default_value, min, max, flags, help) \
    { #field, VALUE_##type, default_value, min, max, flags, help, offsetof(struct cluster_options, field), NULL },
#include "conf/cluster_options.def"
#undef OPT
};
const unsigned n_cluster_options = sizeof(cluster_option_table) / sizeof(cluster_option_table[0]);

const struct option *
option_find(const char *name)
{
    for (unsigned i = 0; i < conf_n_options; i++) {
        if (conf_options[i].name && strcmp(conf_options[i].name, name) == 0)
            return &conf_options[i];
    }
    assert(!"an option of this name");
    return NULL;
}

static void
upper(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] >= 'a' && text[i] <= 'z')
            text[i] = (char)(text[i] - ('a' - 'A'));
    }
}

static struct str
upper_copy(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);

    if (s.len)
        memcpy(copy, s.p, s.len);
    upper(copy, s.len);
    return str_make(copy, s.len);
}

struct str
option_env_name(struct arena *a, const char *field)
{
    return upper_copy(a, arena_printf(a, "SEXTANT_%s", field));
}

struct str
cluster_env_name(struct arena *a, struct str cluster)
{
    char *copy = arena_alloc(a, cluster.len + 1);

    for (size_t i = 0; i < cluster.len; i++)
        copy[i] = (char)(cluster.p[i] == '-' ? '_' : cluster.p[i]);
    upper(copy, cluster.len);
    return str_make(copy, cluster.len);
}

struct str
cluster_option_env_name(struct arena *a, struct str cluster, const char *field)
{
    struct str name = cluster_env_name(a, cluster), option = upper_copy(a, str_from(field));

    return arena_printf(a, "SEXTANT_CLUSTER_" STR_FMT "_" STR_FMT, STR_ARG(name), STR_ARG(option));
}

const struct option *
cluster_option_match(struct arena *a, struct str variable, struct str *ret_name, bool *ret_is_file)
{
    struct str rest = str_skip(variable, 8);

    if (!str_starts(variable, STR("CLUSTER_")))
        return NULL;
    for (unsigned i = 0; i < n_cluster_options * 2; i++) {
        const struct option *o = &cluster_option_table[i / 2];
        struct str tail = upper_copy(a, arena_printf(a, "_%s%s", o->name, i & 1 ? "_FILE" : ""));

        if (!str_ends(rest, tail))
            continue;
        *ret_name = str_make(rest.p, rest.len - tail.len);
        *ret_is_file = i & 1;
        return o;
    }
    return NULL;
}

/* Edits, but only one for a name that begins as the other does: PARTITIONS is meant as PARTITION_MAP. */
static unsigned
name_distance(struct str name, struct str option)
{
    size_t shared = 0, shorter = name.len < option.len ? name.len : option.len;

    while (shared < shorter && name.p[shared] == option.p[shared])
        shared++;
    return shared >= 6 && shared + 1 >= shorter ? 1 : str_distance(name, option);
}

struct str
option_nearest(struct arena *a, struct str name)
{
    bool is_file = str_ends(name, STR("_FILE"));
    struct str wanted = upper_copy(a, is_file ? str_make(name.p, name.len - 5) : name), found = STR_NONE;
    unsigned best = 1 + (unsigned)wanted.len / 3;

    best = best > 4 ? 4 : best;
    for (unsigned i = 0; i < conf_n_options; i++) {
        struct str variable;
        unsigned distance;

        if (!conf_options[i].name)
            continue;
        variable = option_env_name(a, conf_options[i].name);
        distance = name_distance(wanted, str_skip(variable, 8));
        if (distance < best) {
            best = distance;
            found = variable;
        }
    }
    return found.len && is_file ? arena_printf(a, STR_FMT "_FILE", STR_ARG(found)) : found;
}
