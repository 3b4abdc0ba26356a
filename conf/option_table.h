/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_OPTION_TABLE_H
#define SEXTANT_CONF_OPTION_TABLE_H

/* options.def as a table that can be walked; for this folder (and its tests) only. */

#include "conf/value.h"

enum option_flags { OPTION_RELOAD = 1, OPTION_START = 2, OPTION_SECRET = 4, OPTION_DOC = 8, OPTION_JOURNAL = 16 };

struct option {
    const char *name; /* "listen"; NULL for a group */
    enum value_type type;
    const char *default_value, *min, *max;
    unsigned flags;
    const char *help;
    size_t offset;     /* of its field in struct conf, or in struct cluster_options */
    const char *group; /* title, for a group */
};

extern const struct option conf_options[];
extern const unsigned conf_n_options;
/* cluster_options.def in the same form. */
extern const struct option cluster_option_table[];
extern const unsigned n_cluster_options;

/* By name; it must exist. */
const struct option *option_find(const char *name);
/* "SEXTANT_LISTEN" */
struct str option_env_name(struct arena *a, const char *field);
/* "SEXTANT_CLUSTER_EU_WEST_API_KEY"; `cluster` as written in the map, or <NAME> for help. */
struct str cluster_option_env_name(struct arena *a, struct str cluster, const char *field);
struct str cluster_env_name(struct arena *a, struct str cluster); /* "eu-west" as "EU_WEST" */
/* Which option a variable (without SEXTANT_) of a cluster means, and of which cluster. NULL for none. */
const struct option *cluster_option_match(
    struct arena *a, struct str variable, struct str *ret_name, bool *ret_is_file);
/* The variable most like `name` (without SEXTANT_, in any case, perhaps with _FILE), whole: "SEXTANT_LISTEN_FILE". STR_NONE
 * when none is near enough to be meant. */
struct str option_nearest(struct arena *a, struct str name);

#endif
