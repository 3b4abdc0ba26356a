/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/rule_off.h"

#include <stddef.h>
#include <stdio.h>

#include "proxy/base/str.h"

static const char *
asked_for(char *const *environ)
{
    static const struct str variable = { "SEXTANT_TEST_WITHOUT_RULE=", sizeof("SEXTANT_TEST_WITHOUT_RULE=") - 1 };

    for (; *environ; environ++) {
        if (str_starts(str_from(*environ), variable))
            return *environ + variable.len;
    }
    return NULL;
}

#ifdef SEXTANT_RULES_CAN_BE_OFF
enum fanout_rule rule_that_is_off;

bool
rule_off_from(char *const *environ)
{
    static const char *const names[RULES] = { "NONE", "FIRST", "GATE", "FRESH", "HOLD", "AGAIN", "TAINT", "SETTLE",
        "CLAIM", "SCHEMA", "KNOWN", "DONE" };
    const char *name = asked_for(environ);

    fprintf(stderr, "sextant: THIS IS A BUILD FOR TESTS, which can lose data; rule that is off: %s\n",
        name ? name : "NONE");
    for (unsigned r = RULE_NONE; name && r < RULES; r++) {
        if (str_eq(str_from(name), str_from(names[r]))) {
            rule_that_is_off = r;
            return true;
        }
    }
    return name == NULL;
}
#else
bool
rule_off_from(char *const *environ)
{
    return asked_for(environ) == NULL;
}
#endif
