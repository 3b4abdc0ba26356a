/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_OPTION_TABLE_H
#define SEXTANT_CONF_OPTION_TABLE_H

/* options.def as a table that can be walked; for this folder (and its tests) only. */

#include "conf/value.h"

enum option_flags { OPTION_RELOAD = 1, OPTION_START = 2, OPTION_SECRET = 4, OPTION_DOC = 8 };

struct option {
    const char *name; /* "listen"; NULL for a group */
    enum value_type type;
    const char *default_value, *min, *max;
    unsigned flags;
    const char *help;
    size_t offset;     /* of its field in struct conf */
    const char *group; /* title, for a group */
};

extern const struct option conf_options[];
extern const unsigned conf_n_options;

/* By name; it must exist. */
const struct option *option_find(const char *name);
/* "SEXTANT_LISTEN" */
struct str option_env_name(struct arena *a, const char *field);
/* The variable most like `name` (without SEXTANT_, in any case, perhaps with _FILE), whole: "SEXTANT_LISTEN_FILE". STR_NONE
 * when none is near enough to be meant. */
struct str option_nearest(struct arena *a, struct str name);

#endif
