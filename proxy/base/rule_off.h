/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_RULE_OFF_H
#define SEXTANT_BASE_RULE_OFF_H

/* One of the rules of write fan-out taken away, to see that the checker notices (test/crash/test_fanout_rules.py). Only a build
 * of its own can do it, build/test/sextant-rules; in every other all rules hold, nothing is compared, and the variable
 * that asks for it is refused. */

#include <stdbool.h>

enum fanout_rule {
    RULE_NONE,
    RULE_FIRST,  /* nothing is sent to home before its record is durable */
    RULE_GATE,   /* a mark is cleared only if no write was without its outcome when the point was read */
    RULE_FRESH,  /* … and only if the point was not marked again since */
    RULE_HOLD,   /* after an unknown outcome at home its points wait */
    RULE_AGAIN,  /* after a quarantine they are shipped once more */
    RULE_TAINT,  /* a restart knows no outcome that it did not read, and nothing that was in the air */
    RULE_SETTLE, /* what a copy confirmed lately is shipped again when it was started anew */
    RULE_CLAIM,  /* nothing is sent without the claim */
    RULE_SCHEMA, /* a change of a collection waits until no write is under way there */
    RULE_KNOWN,  /* the text of a write is what home has only until the next one is recorded on the point */
    RULE_DONE,   /* … and only if home has said that all of the write is done */
    RULES
};

#ifdef SEXTANT_RULES_CAN_BE_OFF
extern enum fanout_rule rule_that_is_off;

static inline bool
rule_is_off(enum fanout_rule r)
{
    return rule_that_is_off == r;
}
#else
static inline bool
rule_is_off(enum fanout_rule r)
{
    (void)r;
    return false;
}
#endif

/* By SEXTANT_TEST_WITHOUT_RULE of the environment, if it is there. False: it names no rule, or all of them hold in this build.
 * Before other threads run. */
bool rule_off_from(char *const *environ);

#endif
