/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/option_table.h"

#include <stddef.h>

enum { RELOAD = OPTION_RELOAD, START = OPTION_START, SECRET = OPTION_SECRET, DOC = OPTION_DOC };

const struct option conf_options[] = {
#define GROUP(title) { .group = title },
#define OPT(field, type, default_value, min, max, flags, help) \
    { #field, VALUE_##type, default_value, min, max, flags, help, offsetof(struct conf, field), NULL },
#include "conf/options.def"
#undef OPT
#undef GROUP
};
const unsigned conf_n_options = sizeof(conf_options) / sizeof(conf_options[0]);

struct str
option_env_name(struct arena *a, const char *field)
{
    struct str name = arena_printf(a, "SEXTANT_%s", field);

    for (size_t i = 8; i < name.len; i++) {
        char *c = (char *)(uintptr_t)&name.p[i];

        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - ('a' - 'A'));
    }
    return name;
}
