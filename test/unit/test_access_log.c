/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

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

static void
add_line(struct buf *lines, unsigned n)
{
    buf_printf(lines, "{\"line\":%u,\"filler\":\"%0400u\"}\n", n, n);
}

static void
test_full_disk(void **state)
{
    struct access_log *log;
    struct buf lines = { 0 };
    int error = 0;

    log = access_log_open(STR("/dev/full"), &error);
    assert_non_null(log);
    for (unsigned turn = 0; turn < 3; turn++) {
        add_line(&lines, 1);
        add_line(&lines, 2);
        assert_int_equal(access_log_flush(log, &lines), 2);
        assert_int_equal(buf_len(&lines), 0);
    }
    access_log_close(log);
    buf_fini(&lines);
    assert_null(access_log_open(STR("/nonexistent/log"), &error));
    assert_int_equal(error, -ENOENT);
}

/* The disk has room for a line and a half, and later for more: one line is torn, what follows stands on lines of its own. */
static void
test_torn_line(void **state)
{
    char path[] = "/tmp/test_access_log.XXXXXX", text[2000];
    int fd = mkstemp(path), error = 0;
    struct access_log *log = access_log_open(str_from(path), &error);
    struct rlimit before, tight;
    struct buf lines = { 0 };
    size_t half, whole;
    ssize_t n;

    assert_true(fd >= 0 && log);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    add_line(&lines, 1);
    whole = buf_len(&lines);
    half = whole / 2;
    add_line(&lines, 2);
    add_line(&lines, 3);
    tight = (struct rlimit){ whole + half, before.rlim_max };
    setrlimit(RLIMIT_FSIZE, &tight);
    assert_int_equal(access_log_flush(log, &lines), 2);
    add_line(&lines, 4);
    assert_int_equal(access_log_flush(log, &lines), 1);
    setrlimit(RLIMIT_FSIZE, &before);
    add_line(&lines, 5);
    assert_int_equal(access_log_flush(log, &lines), 0);
    n = read(fd, text, sizeof(text));
    assert_int_equal(n, whole + half + 1 + whole);
    assert_int_equal(text[whole - 1], '\n');
    assert_int_equal(text[whole + half], '\n');
    assert_memory_equal(text + whole + half + 1, "{\"line\":5,", 10);
    access_log_close(log);
    buf_fini(&lines);
    close(fd);
    unlink(path);
}

/* Nobody reads: nothing waits, lines are kept up to a limit; then somebody does, and finds whole lines, in order. */
static void
test_slow_pipe(void **state)
{
    int fds[2], saved = dup(STDERR_FILENO), error = 0;
    struct access_log *log;
    struct buf lines = { 0 }, got = { 0 };
    unsigned n = 0, dropped = 0;
    struct str rest, line;

    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    log = access_log_open(STR("stderr"), &error);
    dup2(saved, STDERR_FILENO);
    for (; buf_len(&lines) < 200 * 1000; n++) {
        add_line(&lines, n);
        assert_int_equal(access_log_flush(log, &lines), 0);
    }
    while (buf_len(&lines)) {
        ssize_t len = read(fds[0], buf_reserve(&got, 10000), 10000);

        assert_true(len > 0);
        buf_commit(&got, (size_t)len);
        assert_int_equal(access_log_flush(log, &lines), 0);
    }
    for (unsigned more = n; dropped == 0; more++) { /* and again nobody */
        add_line(&lines, more);
        dropped = access_log_flush(log, &lines);
    }
    assert_true(dropped > 2000);
    assert_int_equal(buf_len(&lines), 0);
    rest = buf_str(&got);
    for (unsigned i = 0; i < n && str_cut(rest, '\n', &line, &rest); i++) {
        char want[32];

        snprintf(want, sizeof(want), "{\"line\":%u,", i);
        assert_true(str_starts(line, str_from(want)) && line.p[line.len - 1] == '}');
    }
    access_log_close(log);
    close(fds[0]);
    close(fds[1]);
    close(saved);
    buf_fini(&lines);
    buf_fini(&got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line_of_json),
        cmocka_unit_test(test_strict_hides_the_address),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_torn_line),
        cmocka_unit_test(test_slow_pipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
