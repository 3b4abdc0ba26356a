/* SPDX-License-Identifier: Apache-2.0
 *
 * What is particular to streams over TLS, beyond the contract of streams (test_stream.c).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>

#include "proxy/base/mem.h"
#include "proxy/net/tls_names.h"
#include "test/unit/stream_lib.h"
#include "test/unit/tls_lib.h"

static void
test_names(void **state)
{
    static struct str first[] = { { "edge.test", 9 }, { "*.wild.test", 11 } }, second[] = { { "a.wild.test", 11 } },
                      third[] = { { "*.wild.test", 11 }, { "*", 1 }, { "edge.test", 9 } };
    const struct tls_names one = { first, 2 }, two = { second, 1 }, three = { third, 3 };
    const struct tls_names *const sets[] = { &two, &one, &three };
    static const struct {
        const char *host;
        unsigned chosen;
        int fit;
    } cases[] = {
        { "", 0, 0 },
        { "edge.test", 1, 2 },
        { "EDGE.Test", 1, 2 },
        { "edge.test.", 1, 2 },
        { "edge.test..", 0, 0 },
        { "a.wild.test", 0, 2 },
        { "b.wild.test", 1, 1 },
        { "a.b.wild.test", 0, 0 },
        { "wild.test", 0, 0 },
        { ".wild.test", 0, 0 },
        { "*.wild.test", 1, 2 },
        { "test", 0, 0 },
        { "anything", 0, 0 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        unsigned chosen = tls_names_choose(sets, 3, str_from(cases[i].host));

        if (chosen != cases[i].chosen || tls_names_fit(sets[chosen], str_from(cases[i].host)) != cases[i].fit)
            fail_msg("%s: %u", cases[i].host, chosen);
    }
}

static void
test_facts(void **state)
{
    struct joined *f = *state;
    const struct tls_facts *a = stream_tls_facts(f->a), *b = stream_tls_facts(f->b);

    assert_string_equal(a->version, "TLSv1.3");
    assert_string_equal(b->version, "TLSv1.3");
    assert_int_equal(a->failure, TLS_REASON_NONE);
    assert_string_equal(a->error, "");
    assert_string_equal(b->subject, "");
    assert_false(a->is_resumed);
    assert_int_equal(atomic_load(&f->tls->count.in_flight), 0);
    assert_true(addr_eq(stream_peer(f->a, NULL), &joined_loopback));
    assert_true(stream_rtt_us(f->a) > 0);
}

/* Another pair of streams in place of the fixture's, the client's side for `host`. */
static void
join_again(struct joined *f, const char *host)
{
    struct stream *below_a, *below_b;

    stream_close(&f->a);
    stream_close(&f->b);
    stream_pair(f->loop, 1000, &below_a, &below_b);
    f->events_a = f->events_b = 0;
    f->b = stream_tls_accept(f->tls->work, f->tls->server, below_b, STR_NONE);
    stream_on_event(f->b, joined_on_b, f);
    f->a = stream_tls_connect(f->tls->work, f->tls->client, str_from(host), below_a, f->tls->memory);
    stream_on_event(f->a, joined_on_a, f);
}

static void
test_resumed(void **state)
{
    struct joined *f = *state;

    stream_recheck(f->a);
    assert_int_equal(joined_get(f->a), -EAGAIN); /* takes the ticket */
    for (int i = 0; i < 2; i++) {
        join_again(f, "edge.test");
        assert_false(stream_is_connected(f->a));
        assert_int_equal(joined_put(f->a, "x"), -EAGAIN);
        assert_int_equal(joined_get(f->b), -EAGAIN);
        joined_run_until(f, joined_has_both_events);
        assert_true(stream_tls_facts(f->a)->is_resumed);
        assert_true(stream_tls_facts(f->b)->is_resumed);
        assert_int_equal(joined_get(f->a), -EAGAIN);
    }
}

static void
test_rules_of_another_time_begin_anew(void **state)
{
    struct joined *f = *state;
    struct tls_client_rules rules = { .verify = true, .ca_file = str_from(f->tls->cert), .name = STR("127.0.0.1") };

    assert_int_equal(joined_get(f->a), -EAGAIN);
    tls_client_unref(f->tls->client);
    f->tls->client = tls_client_load(&rules, NULL, NULL);
    join_again(f, "whatever.test"); /* the rules name another */
    joined_run_until(f, joined_has_both_events);
    assert_true(stream_is_connected(f->a));
    assert_false(stream_tls_facts(f->a)->is_resumed);
}

static void
test_wrong_name(void **state)
{
    struct joined *f = *state;

    join_again(f, "other.test");
    joined_run_until(f, joined_has_both_events);
    assert_false(stream_is_connected(f->a));
    assert_int_equal(joined_get(f->a), -EKEYREJECTED);
    assert_int_equal(stream_tls_facts(f->a)->failure, TLS_REASON_CERT_REFUSED);
    assert_string_equal(
        stream_tls_facts(f->a)->error, "hostname mismatch: wanted other.test, certificate is for edge.test, 127.0.0.1");
    assert_int_equal(joined_get(f->b), -EPROTO);
    assert_int_equal(stream_tls_facts(f->b)->failure, TLS_REASON_ALERT);
    assert_int_equal(atomic_load(&f->tls->count.in_flight), 0);
}

static bool
has_event_b(struct joined *f)
{
    return f->events_b > 0;
}

/* The peer's bytes in plain: what TLS makes of it, and the stream below given back. */
static void
test_not_tls(void **state)
{
    static const struct {
        const char *said;
        enum tls_reason reason;
    } cases[] = { { "GET / HTTP/1.1\r\n", TLS_REASON_PLAIN_HTTP }, { "\x80\x2e\x01", TLS_REASON_NOT_TLS },
        { "\x16\x03\x01\x00\x05hello", TLS_REASON_PROTOCOL } };
    struct joined *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct stream *below_a, *below_b;
        size_t len = i == 2 ? 10 : strlen(cases[i].said);

        stream_close(&f->a);
        stream_close(&f->b);
        stream_pair(f->loop, 1000, &below_a, &below_b);
        f->a = below_a;
        f->events_b = 0;
        /* A part has been read by the user already. */
        f->b = stream_tls_accept(f->tls->work, f->tls->server, below_b, str_make(cases[i].said, 1));
        stream_on_event(f->b, joined_on_b, f);
        stream_write(f->a, &(struct iovec){ (void *)(uintptr_t)(cases[i].said + 1), len - 1 }, 1);
        joined_run_until(f, has_event_b);
        assert_int_equal(joined_get(f->b), -EPROTO);
        assert_int_equal(stream_tls_facts(f->b)->failure, cases[i].reason);
        assert_int_equal(atomic_load(&f->tls->count.in_flight), 0);
    }
    f->b = stream_tls_unwrap(&f->b);
    assert_null(stream_tls_facts(f->b));
    joined_put(f->b, "plain");
    joined_run_a_while(f);
    assert_true(joined_get(f->a) >= 5);
}

/* The connection below ends without close_notify: a break, not an end. */
static void
test_truncated(void **state)
{
    struct joined *f = *state;
    struct stream *below;

    joined_put(f->a, "half an ans");
    below = stream_tls_unwrap(&f->a);
    joined_run_until(f, joined_has_event_b);
    stream_shutdown(below);
    joined_run_a_while(f);
    assert_int_equal(joined_get(f->b), 11);
    assert_int_equal(joined_get(f->b), -ECONNRESET);
    assert_int_equal(joined_get(f->b), -ECONNRESET);
    stream_close(&below);
}

/* What a stream has taken goes out after it was closed, though the stream below was full. */
static void
test_last_bytes(void **state)
{
    struct joined *f = *state;
    struct iovec iov = { joined_scratch, 5000 };
    size_t received = 0;
    ssize_t n = 0;

    join_again(f, "edge.test");
    joined_run_until(f, joined_has_both_events);
    joined_run_a_while(f);
    assert_int_equal(stream_write(f->a, &iov, 1), 5000); /* the pipe holds 1000 */
    stream_close(&f->a);
    for (int i = 0; i < 1000; i++) {
        n = joined_get(f->b);
        if (n == 0)
            break;
        received += n > 0 ? (size_t)n : 0;
        if (n < 0) {
            assert_int_equal(n, -EAGAIN);
            joined_run_a_while(f);
        }
    }
    assert_int_equal(n, 0);
    assert_int_equal(received, 5000);
}

static void
test_places(void **state)
{
    struct joined *f = *state;
    struct stream *idle_a, *idle_b;

    stream_pair(f->loop, 1000, &idle_a, &idle_b);
    tls_work_set_limit(f->tls->work, 1);
    idle_b = stream_tls_accept(f->tls->work, f->tls->server, idle_b, STR("\x16\x03\x01\x02\x00"));
    joined_run_a_while(f);
    assert_int_equal(atomic_load(&f->tls->count.in_flight), 1);
    join_again(f, "edge.test");
    joined_run_a_while(f);
    assert_false(stream_is_connected(f->b));
    assert_int_equal(f->events_b, 0);
    stream_close(&idle_b); /* its place is free */
    joined_run_until(f, joined_has_both_events);
    assert_true(stream_is_connected(f->b));
    stream_close(&idle_a);
    assert_int_equal(atomic_load(&f->tls->count.in_flight), 0);
}

static void
test_new_files(void **state)
{
    struct joined *f = *state;
    struct tls_server *fresh;
    int64_t not_after;

    assert_int_equal(tls_server_count(f->tls->server), 1);
    assert_true(str_eq(tls_server_certificate(f->tls->server, 0, &not_after), str_from(f->tls->cert)));
    assert_true(not_after > clock_wall_us() / USEC_PER_SEC);
    assert_null(tls_fixture_server(f->tls, "SEXTANT_TLS_CLIENT_CA=/nonexistent"));
    assert_int_equal(f->tls->issues.n_errors, 1);
    tls_fixture_make(f->tls, "DNS:edge.test");
    fresh = tls_fixture_server(f->tls, "SEXTANT_TLS_MIN_VERSION=1.2");
    assert_non_null(fresh);
    assert_int_equal(f->tls->conf->n_files, 2); /* watched */
    tls_server_inherit(fresh, f->tls->server);
    tls_server_unref(f->tls->server); /* connections of before still use it */
    f->tls->server = fresh;
    joined_put(f->a, "on");
    joined_run_until(f, joined_has_event_b);
    assert_int_equal(joined_get(f->b), 2);
}

#define TLS(test) \
    { \
#test, test, joined_set_up_tls, joined_tear_down, NULL \
    }

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        TLS(test_facts),
        TLS(test_resumed),
        TLS(test_rules_of_another_time_begin_anew),
        TLS(test_wrong_name),
        TLS(test_not_tls),
        TLS(test_truncated),
        TLS(test_last_bytes),
        TLS(test_places),
        TLS(test_new_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
