/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct arena arena;
static struct operation read_op, write_op, idempotent_op;
static struct body body = { .is_complete = true };

static const struct {
    const char *what;
    const struct operation *op;
    enum fail fail;
    bool sent_nothing, sent_before, is_pinned, has_endpoint, has_cluster;
    enum leg_move move;
} cases[] = {
    { "refused read", &read_op, FAIL_CONNECT_REFUSED, true, false, false, true, true, LEG_NEXT_ENDPOINT },
    { "refused write", &write_op, FAIL_CONNECT_REFUSED, true, false, false, false, true, LEG_NEXT_CLUSTER },
    { "reset read", &read_op, FAIL_UPSTREAM_RESET, false, true, false, false, true, LEG_NEXT_CLUSTER },
    { "reset write", &write_op, FAIL_UPSTREAM_RESET, false, true, false, true, true, LEG_GIVE_UP },
    { "reset upsert", &idempotent_op, FAIL_UPSTREAM_RESET, false, true, false, true, true, LEG_NEXT_ENDPOINT },
    { "reset upsert, last endpoint", &idempotent_op, FAIL_UPSTREAM_RESET, false, true, false, false, true,
        LEG_GIVE_UP },
    { "upsert sent once, then refused", &idempotent_op, FAIL_CONNECT_REFUSED, true, true, false, false, true,
        LEG_GIVE_UP },
    { "upsert sent once, then full", &idempotent_op, FAIL_CLUSTER_BUSY, true, true, false, true, true, LEG_GIVE_UP },
    { "read sent once, then refused", &read_op, FAIL_CONNECT_REFUSED, true, true, false, false, true,
        LEG_NEXT_CLUSTER },
    { "full, read", &read_op, FAIL_CLUSTER_BUSY, true, false, false, true, true, LEG_NEXT_CLUSTER },
    { "full, write", &write_op, FAIL_QUEUE_TIMEOUT, true, false, false, true, true, LEG_NEXT_CLUSTER },
    { "full, nowhere else", &read_op, FAIL_QUEUE_TIMEOUT, true, false, false, true, false, LEG_GIVE_UP },
    { "stale read", &read_op, FAIL_UPSTREAM_STALE, false, true, false, true, true, LEG_SAME_FRESH },
    { "stale write", &write_op, FAIL_UPSTREAM_STALE, false, true, false, true, true, LEG_GIVE_UP },
    { "node-local", &read_op, FAIL_CONNECT_REFUSED, true, false, true, true, true, LEG_GIVE_UP },
};

static void
test_moves(void **unused)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct leg_facts facts = {
            .fail = cases[i].fail,
            .resend = cases[i].op->info->resend,
            .sent_nothing = cases[i].sent_nothing,
            .sent_before = cases[i].sent_before,
            .is_pinned = cases[i].is_pinned,
            .has_endpoint = cases[i].has_endpoint,
            .has_cluster = cases[i].has_cluster,
            .has_body = true,
            .has_time = true,
            .tries = 1,
            .op = cases[i].op,
            .body = &body,
        };

        if (retry_decide(&facts).move != cases[i].move)
            fail_msg("%s: move %d", cases[i].what, (int)retry_decide(&facts).move);
    }
}

int
main(void)
{
    static const struct CMUnitTest tests[] = { cmocka_unit_test(test_moves) };
    int failed;

    operation_parse(METHOD_POST, STR("/collections/c/points/scroll"), &arena, &read_op);
    operation_parse(METHOD_POST, STR("/collections/c/unknown"), &arena, &write_op);
    operation_parse(METHOD_PUT, STR("/collections/c/points"), &arena, &idempotent_op);
    buf_add(&body.bytes, STR("{\"points\":[{\"id\":1,\"vector\":[1]}]}"));
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_fini(&body.bytes);
    arena_fini(&arena);
    return failed;
}
