/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_OPTION_TABLE_H
#define SEXTANT_CONF_OPTION_TABLE_H

/* options.def as a table that can be walked; for this folder only. */

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

/* "SEXTANT_LISTEN" */
struct str option_env_name(struct arena *a, const char *field);

#endif
