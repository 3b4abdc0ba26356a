/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_TENURE_HOME_H
#define SEXTANT_TEST_UNIT_TENURE_HOME_H

/* A home that does what it is asked when a test says so, and edges that ask. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "proxy/sync/tenure.h"

#define S INT64_C(1000000)
#define JOURNAL_A "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
#define JOURNAL_B "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
#define CLUSTER_X "11111111-1111-4111-8111-111111111111"
#define CLUSTER_Y "22222222-2222-4222-8222-222222222222"

struct write {
    enum tenure_do kind;
    notes_uuid identity;
    struct claim_note draft, seen;
    bool has_seen;
};

static inline void
land(struct notes *home, const struct write *w)
{
    bool is_as_seen = home->has_claim && w->has_seen && strcmp(home->claim.start, w->seen.start) == 0 &&
                      strcmp(home->claim.journal, w->seen.journal) == 0 && home->claim.counter == w->seen.counter;

    if (w->kind == TENURE_CREATE)
        home->has_collection = true;
    if (w->kind == TENURE_IDENTIFY && !home->identity[0])
        memcpy(home->identity, w->identity, sizeof(home->identity));
    if (w->kind == TENURE_CLAIM && (w->has_seen ? is_as_seen : !home->has_claim)) {
        home->claim = w->draft;
        home->has_claim = true;
    }
}

static inline struct write
written(const struct tenure *t, enum tenure_do kind)
{
    struct write w = { .kind = kind, .draft = t->draft, .seen = t->seen, .has_seen = t->has_seen };

    memcpy(w.identity, t->fresh_identity, sizeof(w.identity));
    return w;
}

static inline struct tenure
edge(const char *journal, const char *start, uint64_t starts, const char *identity, int64_t now)
{
    struct tenure_self self = { .starts = starts, .has_claimed = identity[0] != '\0' };
    struct tenure t;

    memcpy(self.journal, journal, sizeof(self.journal));
    snprintf(self.start, sizeof(self.start), "%16s", start);
    snprintf(self.identity, sizeof(self.identity), "%s", identity);
    tenure_init(&t, &self, strcmp(journal, JOURNAL_A) == 0 ? CLUSTER_X : CLUSTER_Y, now);
    tenure_set_lsn(&t, 100, 50);
    return t;
}

#endif
