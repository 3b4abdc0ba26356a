/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/base/json.h"
#include "proxy/obs/access_log.h"

static struct access_record
record(void)
{
    return (struct access_record){ .wall_us = INT64_C(1700000000123456),
        .address = STR("192.0.2.1"),
        .path = STR("/a\"\n\xff"),
        .trace_id = STR("4bf92f3577b34da6a3ce929d0e0e4736"),
        .status = 502,
        .fail = FAIL_OUTCOME_UNKNOWN,
        .tries = { { STR("eu/1"), FAIL_UPSTREAM_RESET, 0 } },
        .n_tries = ACCESS_TRIES + 3,
        .bytes_in = UINT64_MAX,
        .body_us = -1,
        .planned_us = 7,
        .sent_us = -1,
        .first_byte_us = -1,
        .total_us = 9 };
}

static void
test_one_line_of_json(void **state)
{
    struct access_record r = record();
    struct buf out = { 0 };
    struct json_doc *doc;
    struct json root;

    access_log_format(&r, &out);
    assert_int_equal(str_find(buf_str(&out), '\n'), buf_len(&out) - 1);
    doc = json_parse(buf_str(&out), NULL, NULL);
    assert_non_null(doc);
    root = json_root(doc);
    assert_true(str_eq(json_string(json_get(root, "time")), STR("2023-11-14T22:13:20.123Z")));
    assert_true(str_eq(json_string(json_get(root, "address")), STR("192.0.2.1")));
    assert_true(str_eq(json_string(json_get(root, "trace_id")), STR("4bf92f3577b34da6a3ce929d0e0e4736")));
    assert_int_equal(json_type(json_get(root, "parent_id")), JSON_NONE);
    assert_true(str_eq(json_string(json_get(root, "error")), STR("OUTCOME_UNKNOWN")));
    assert_true(str_eq(json_number(json_get(root, "bytes_in")), STR("18446744073709551615")));
    assert_int_equal(json_size(json_get(root, "tries")), ACCESS_TRIES);
    assert_int_equal(json_type(json_get(root, "body_us")), JSON_NONE);
    assert_true(str_eq(json_number(json_get(root, "planned_us")), STR("7")));
    json_free(doc);
    buf_fini(&out);
}

static void
test_strict_hides_the_address(void **state)
{
    struct access_record r = record();
    struct buf out = { 0 };

    r.hide_address = true;
    access_log_format(&r, &out);
    assert_null(memmem(buf_str(&out).p, buf_len(&out), "192.0.2.1", 9));
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line_of_json),
        cmocka_unit_test(test_strict_hides_the_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
