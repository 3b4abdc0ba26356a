/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of retry.h as rows: what is known about a failed exchange, and what is to be done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/flow/retry.h"

enum {
    SENT_NOTHING = 1,
    BEGAN = 2,
    NO_BODY = 4,
    ENDPOINT = 8,
    CLUSTER = 16,
    NO_TIME = 32,
    PINNED = 64,
    MOVED = 128, /* a free move was made */
    TRIES_USED = 256
};

static const struct row {
    enum fail fail;
    enum op_resend resend;
    unsigned flags;
    enum leg_move move;
    bool is_free;
} rows[] = {
    /* nothing was sent: anything may move, free */
    { FAIL_CONNECT_REFUSED, RESEND_NEVER, SENT_NOTHING | ENDPOINT | CLUSTER, LEG_NEXT_ENDPOINT, true },
    { FAIL_CONNECT_REFUSED, RESEND_NEVER, SENT_NOTHING | CLUSTER | MOVED, LEG_NEXT_CLUSTER, true },
    { FAIL_CONNECT_REFUSED, RESEND_NEVER, SENT_NOTHING, LEG_GIVE_UP, true },
    { FAIL_CONNECT_REFUSED, RESEND_SAFE, SENT_NOTHING | ENDPOINT | PINNED, LEG_GIVE_UP, true },
    /* what ends everything */
    { FAIL_CONNECT_REFUSED, RESEND_SAFE, SENT_NOTHING | ENDPOINT | NO_TIME, LEG_GIVE_UP, true },
    { FAIL_CONNECT_REFUSED, RESEND_SAFE, SENT_NOTHING | ENDPOINT | TRIES_USED, LEG_GIVE_UP, true },
    { FAIL_UPSTREAM_RESET, RESEND_SAFE, ENDPOINT | CLUSTER | NO_BODY, LEG_GIVE_UP, true },
    { FAIL_UPSTREAM_CUT, RESEND_SAFE, ENDPOINT | CLUSTER | BEGAN, LEG_GIVE_UP, true },
    /* a reused connection that died */
    { FAIL_UPSTREAM_STALE, RESEND_SAFE, ENDPOINT | CLUSTER, LEG_SAME_FRESH, true },
    { FAIL_UPSTREAM_STALE, RESEND_SAFE, PINNED, LEG_SAME_FRESH, true },
    { FAIL_UPSTREAM_STALE, RESEND_NEVER, ENDPOINT | CLUSTER, LEG_GIVE_UP, true },
    /* reads: a first reset is free, all else is paid for */
    { FAIL_UPSTREAM_RESET, RESEND_SAFE, CLUSTER, LEG_NEXT_CLUSTER, true },
    { FAIL_UPSTREAM_RESET, RESEND_SAFE, CLUSTER | MOVED, LEG_NEXT_CLUSTER, false },
    { FAIL_ENDPOINT_DOWN, RESEND_SAFE, ENDPOINT, LEG_NEXT_ENDPOINT, true },
    { FAIL_UPSTREAM_SILENT, RESEND_SAFE, CLUSTER, LEG_NEXT_CLUSTER, false },
    { FAIL_UPSTREAM_UNAVAILABLE, RESEND_SAFE, ENDPOINT | CLUSTER, LEG_NEXT_ENDPOINT, false },
    { FAIL_UPSTREAM_CUT, RESEND_SAFE, PINNED, LEG_GIVE_UP, true },
    /* a key that is refused is refused by the whole cluster, and nothing was done */
    { FAIL_CLUSTER_KEY, RESEND_SAFE, ENDPOINT | CLUSTER | MOVED, LEG_NEXT_CLUSTER, true },
    { FAIL_CLUSTER_KEY, RESEND_SAFE, ENDPOINT, LEG_GIVE_UP, true },
    { FAIL_CLUSTER_KEY, RESEND_SAFE, CLUSTER | PINNED, LEG_GIVE_UP, true },
    { FAIL_CLUSTER_KEY, RESEND_BODY, ENDPOINT | CLUSTER, LEG_GIVE_UP, true },
    /* writes that were sent */
    { FAIL_UPSTREAM_RESET, RESEND_NEVER, ENDPOINT | CLUSTER, LEG_GIVE_UP, true },
    { FAIL_UPSTREAM_SILENT, RESEND_NEVER, ENDPOINT | CLUSTER, LEG_GIVE_UP, true },
};

static void
test_rows(void **state)
{
    struct body body = { .is_complete = true };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct leg_facts facts = {
            .fail = r->fail,
            .resend = r->resend,
            .is_pinned = r->flags & PINNED,
            .sent_nothing = r->flags & SENT_NOTHING,
            .answer_began = r->flags & BEGAN,
            .has_body = !(r->flags & NO_BODY),
            .has_endpoint = r->flags & ENDPOINT,
            .has_cluster = r->flags & CLUSTER,
            .has_time = !(r->flags & NO_TIME),
            .tries = r->flags & TRIES_USED ? RETRY_TRIES_MAX : 1,
            .free_moves = r->flags & MOVED ? 1 : 0,
            .body = &body,
        };
        struct leg_decision d = retry_decide(&facts);

        if (d.move != r->move || (d.move != LEG_GIVE_UP && d.is_free != r->is_free))
            fail_msg("row %zu: move %d, free %d", i, d.move, d.is_free);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
