/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/sync/outcome.h"

#define DONE "{\"result\":{\"operation_id\":4,\"status\":\"completed\"},\"status\":\"ok\",\"time\":0.002}"
#define LATE "{\"result\":{\"operation_id\":4,\"status\":\"wait_timeout\"},\"status\":\"ok\",\"time\":0.002}"
#define QUEUED "{\"result\":{\"operation_id\":4,\"status\":\"acknowledged\"},\"status\":\"ok\",\"time\":0.002}"
#define PARTS(a, b) \
    "{\"result\":[{\"operation_id\":1,\"status\":\"" a "\"},{\"operation_id\":2,\"status\":\"" b \
    "\"}],\"status\":\"ok\"}"
#define ERROR(text) "{\"status\":{\"error\":\"" text "\"},\"time\":0.0}"

struct row {
    enum fail fail;
    bool sent_nothing;
    int status;
    const char *body;
    unsigned n_parts;
    enum outcome_kind kind;
    bool later, later_when_spread;
    const char *text;
};

static const struct row writes[] = {
    { FAIL_NONE, false, 200, DONE, 0, OUTCOME_OK, false, false, "" },
    { FAIL_NONE, false, 200, LATE, 0, OUTCOME_UNKNOWN, true, true, LATE },
    { FAIL_NONE, false, 200, QUEUED, 0, OUTCOME_UNKNOWN, true, true, QUEUED },
    { FAIL_NONE, false, 200, "", 0, OUTCOME_UNKNOWN, true, true, "" },
    { FAIL_NONE, false, 200, "{\"result\":true,\"status\":\"ok\"}", 0, OUTCOME_UNKNOWN, true, true,
        "{\"result\":true,\"status\":\"ok\"}" },
    { FAIL_NONE, false, 200, PARTS("completed", "completed"), 2, OUTCOME_OK, false, false, "" },
    { FAIL_NONE, false, 200, PARTS("completed", "wait_timeout"), 2, OUTCOME_UNKNOWN, true, true,
        PARTS("completed", "wait_timeout") },
    { FAIL_NONE, false, 200, PARTS("completed", "completed"), 3, OUTCOME_UNKNOWN, true, true,
        PARTS("completed", "completed") },
    { FAIL_NONE, false, 200, PARTS("completed", "completed"), 0, OUTCOME_UNKNOWN, true, true,
        PARTS("completed", "completed") },
    { FAIL_NONE, false, 200, DONE, 1, OUTCOME_UNKNOWN, true, true, DONE },
    { FAIL_NONE, false, 202, DONE, 0, OUTCOME_UNKNOWN, true, true, DONE },
    { FAIL_NONE, false, 302, "", 0, OUTCOME_UNKNOWN, true, true, "" },
    { FAIL_NONE, false, 400, ERROR("Wrong input: x"), 0, OUTCOME_REFUSED, false, true, "Wrong input: x" },
    { FAIL_NONE, false, 401, "Must provide an API key", 0, OUTCOME_DENIED, false, false, "Must provide an API key" },
    { FAIL_NONE, false, 403, "Forbidden", 0, OUTCOME_DENIED, false, false, "Forbidden" },
    { FAIL_NONE, false, 404, ERROR("Not found: No point with id 7 found"), 0, OUTCOME_REFUSED, false, true,
        "Not found: No point with id 7 found" },
    { FAIL_NONE, false, 404, ERROR("Not found: Collection `x` doesn't exist!"), 0, OUTCOME_REFUSED, false, false,
        "Not found: Collection `x` doesn't exist!" },
    { FAIL_NONE, false, 404, "", 0, OUTCOME_REFUSED, false, true, "" },
    { FAIL_NONE, false, 405, "", 0, OUTCOME_REFUSED, false, false, "" },
    { FAIL_NONE, false, 408, ERROR("Timeout"), 0, OUTCOME_UNKNOWN, true, true, "Timeout" },
    { FAIL_NONE, false, 409, "", 0, OUTCOME_REFUSED, false, false, "" },
    { FAIL_NONE, false, 413, "", 0, OUTCOME_REFUSED, false, false, "" },
    { FAIL_NONE, false, 422, ERROR("Validation error"), 0, OUTCOME_REFUSED, false, false, "Validation error" },
    { FAIL_NONE, false, 429, ERROR("Rate limiting exceeded"), 0, OUTCOME_THROTTLED, false, true,
        "Rate limiting exceeded" },
    { FAIL_NONE, false, 500, ERROR("Service internal error"), 0, OUTCOME_UNKNOWN, true, true,
        "Service internal error" },
    { FAIL_NONE, false, 503, "", 0, OUTCOME_UNKNOWN, true, true, "" },
    { FAIL_NONE, false, 507, "", 0, OUTCOME_UNKNOWN, true, true, "" },
    { FAIL_CONNECT_REFUSED, true, 0, NULL, 0, OUTCOME_UNREACHABLE, false, false,
        "the endpoint refused the connection" },
    { FAIL_CLUSTER_BUSY, true, 0, NULL, 0, OUTCOME_UNREACHABLE, false, false,
        "the cluster has as many requests outstanding as it may have" },
    { FAIL_UPSTREAM_RESET, false, 0, NULL, 0, OUTCOME_UNKNOWN, true, true,
        "the endpoint closed the connection before the answer began" },
    { FAIL_UPSTREAM_SILENT, false, 0, NULL, 0, OUTCOME_UNKNOWN, true, true, "the endpoint did not answer in time" },
    { FAIL_UPSTREAM_CUT, false, 0, NULL, 0, OUTCOME_UNKNOWN, true, true, "the endpoint's answer broke off" },
};

static void
check(const struct row *row, const struct outcome *o, bool later)
{
    if (o->kind != row->kind)
        fail_msg("%d %s: %s instead of %s", row->status, row->body, outcome_name(o->kind), outcome_name(row->kind));
    if (o->may_land_later != later)
        fail_msg("%d %s: may land later: %d", row->status, row->body, !later);
    if (!str_eq(buf_str(&o->text), str_from(row->text)))
        fail_msg("%d %s: " STR_FMT, row->status, row->body, STR_ARG(buf_str(&o->text)));
    assert_int_equal(o->status, row->status);
    assert_int_equal(o->fail, row->fail);
}

static struct outcome_facts
facts_of(const struct row *row)
{
    return (struct outcome_facts){
        .fail = row->fail, .sent_nothing = row->sent_nothing, .status = row->status, .body = str_from(row->body)
    };
}

static void
test_writes(void **state)
{
    for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
        struct outcome_facts facts = facts_of(&writes[i]);
        struct outcome o;

        outcome_of_write(&facts, writes[i].n_parts, false, &o);
        check(&writes[i], &o, writes[i].later);
        outcome_fini(&o);
        outcome_of_write(&facts, writes[i].n_parts, true, &o);
        check(&writes[i], &o, writes[i].later_when_spread);
        outcome_fini(&o);
    }
}

static const struct row reads[] = {
    { FAIL_NONE, false, 200, "anything", 0, OUTCOME_OK, false, false, "" },
    { FAIL_NONE, false, 204, "", 0, OUTCOME_UNREACHABLE, false, false, "" },
    { FAIL_NONE, false, 400, ERROR("Bad request: Shard key \\\"x\\\" not found"), 0, OUTCOME_REFUSED, false, false,
        "Bad request: Shard key \"x\" not found" },
    { FAIL_NONE, false, 401, "no", 0, OUTCOME_DENIED, false, false, "no" },
    { FAIL_NONE, false, 404, "", 0, OUTCOME_REFUSED, false, false, "" },
    { FAIL_NONE, false, 408, "", 0, OUTCOME_UNREACHABLE, false, false, "" },
    { FAIL_NONE, false, 429, "", 0, OUTCOME_THROTTLED, false, false, "" },
    { FAIL_NONE, false, 500, "", 0, OUTCOME_UNREACHABLE, false, false, "" },
    { FAIL_UPSTREAM_CUT, false, 0, NULL, 0, OUTCOME_UNREACHABLE, false, false, "the endpoint's answer broke off" },
    { FAIL_CONNECT_REFUSED, true, 0, NULL, 0, OUTCOME_UNREACHABLE, false, false,
        "the endpoint refused the connection" },
};

static void
test_reads(void **state)
{
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        struct outcome_facts facts = facts_of(&reads[i]);
        struct outcome o;

        outcome_of_read(&facts, &o);
        check(&reads[i], &o, false);
        outcome_distrust(&o, STR("no use"));
        assert_int_equal(o.kind, OUTCOME_UNKNOWN);
        assert_true(str_eq(buf_str(&o.text), STR("no use")));
        outcome_fini(&o);
    }
}

static void
test_retry_after(void **state)
{
    static const struct {
        int status;
        const char *text;
        int64_t seconds;
    } rows[] = {
        { 429, "7", 7 },
        { 429, " 12 ", 12 },
        { 429, "0", 0 },
        { 429, "", 0 },
        { 429, "-1", 0 },
        { 429, "1.5", 0 },
        { 429, "Wed, 21 Oct 2026 07:28:00 GMT", 0 },
        { 429, "3600", 3600 },
        { 429, "18446744073709551615", 3600 },
        { 503, "7", 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome_facts facts = { .status = rows[i].status, .retry_after = str_from(rows[i].text) };
        struct outcome o;

        outcome_of_write(&facts, 0, false, &o);
        assert_int_equal(o.retry_after_us, rows[i].seconds * 1000000);
        outcome_fini(&o);
        outcome_of_read(&facts, &o);
        assert_int_equal(o.retry_after_us, rows[i].seconds * 1000000);
        outcome_fini(&o);
    }
}

static void
test_long_texts_are_cut(void **state)
{
    struct buf body = { 0 };
    struct outcome_facts facts = { .status = 400 };
    struct outcome o;

    for (unsigned i = 0; i < 1000; i++)
        buf_putc(&body, 'x');
    facts.body = buf_str(&body);
    outcome_of_write(&facts, 0, false, &o);
    assert_int_equal(buf_len(&o.text), 500);
    outcome_fini(&o);
    buf_fini(&body);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_long_texts_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
