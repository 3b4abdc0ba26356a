/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/net/resolver.h"

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, NXDOMAIN = 3, SERVFAIL = 2, SILENT = -1 };

struct record {
    const char *name;
    int type, ttl;
    const char *data; /* text of an address; of a CNAME its target's name; NULL: rcode in ttl */
};

/* What the name server knows. A name that it knows with another type has no data, one that it doesn't know no existence. */
static const struct record zone[] = {
    { "v4.test", TYPE_A, 30, "192.0.2.1" },
    { "v6.test", TYPE_AAAA, 40, "2001:db8::1" },
    { "both.test", TYPE_A, 300, "192.0.2.9" },
    { "both.test", TYPE_A, 300, "192.0.2.3" },
    { "both.test", TYPE_A, 300, "192.0.2.9" },
    { "both.test", TYPE_AAAA, 20, "2001:db8::9" },
    { "both.test", TYPE_AAAA, 20, "2001:db8::3" },
    { "zero.test", TYPE_A, 0, "192.0.2.4" },
    { "alias.test", TYPE_CNAME, 7, "v4.test" },
    { "servfail.test", TYPE_A, SERVFAIL, NULL },
    { "servfail.test", TYPE_AAAA, SERVFAIL, NULL },
    { "silent.test", TYPE_A, SILENT, NULL },
    { "silent.test", TYPE_AAAA, SILENT, NULL },
};
#define ZONE_LEN (sizeof(zone) / sizeof(zone[0]))
#define MANY 17 /* addresses of many.test in each family, last byte 17 down to 1; more do not fit in a datagram */

/* A name server of one thread. */
static struct {
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_int host_queries; /* for what nobody should ask for */
} server;

static char hosts_path[] = "/tmp/sextant-hosts-XXXXXX";

struct packet {
    uint8_t bytes[2048];
    size_t len, question_end;
    int answers, rcode;
};

static void
put_u16(struct packet *p, unsigned value)
{
    p->bytes[p->len++] = (uint8_t)(value >> 8);
    p->bytes[p->len++] = (uint8_t)value;
}

static size_t
put_name(uint8_t *into, const char *name)
{
    size_t len = 0;

    while (*name) {
        size_t label = strcspn(name, ".");

        into[len++] = (uint8_t)label;
        memcpy(into + len, name, label);
        len += label;
        name += label + (name[label] == '.');
    }
    into[len++] = 0;
    return len;
}

static void
put_record(struct packet *p, const char *name, int type, int ttl, const void *data, size_t len)
{
    if (name)
        p->len += put_name(p->bytes + p->len, name);
    else
        put_u16(p, 0xc00c); /* that of the question */
    put_u16(p, (unsigned)type);
    put_u16(p, 1);
    put_u16(p, 0);
    put_u16(p, (unsigned)ttl);
    put_u16(p, (unsigned)len);
    memcpy(p->bytes + p->len, data, len);
    p->len += len;
    p->answers++;
}

static void
answer_many(struct packet *p, int type)
{
    uint8_t bytes[16] = { 0x20, 1, 0x0d, 0xb8 };

    for (int i = MANY; i > 0; i--) {
        bytes[type == TYPE_A ? 3 : 15] = (uint8_t)i;
        put_record(p, NULL, type, 60, bytes, type == TYPE_A ? 4 : 16);
    }
}

static void
answer(struct packet *p, const char *name, int type)
{
    bool is_known = strcmp(name, "many.test") == 0;

    if (is_known)
        answer_many(p, type);
    for (size_t i = 0; i < ZONE_LEN; i++) {
        const struct record *r = &zone[i];
        uint8_t data[256];
        struct addr a;

        if (strcmp(r->name, name) != 0)
            continue;
        is_known = true;
        if (r->type == TYPE_CNAME) {
            put_record(p, name, TYPE_CNAME, r->ttl, data, put_name(data, r->data));
            answer(p, r->data, type);
        } else if (r->type == type && !r->data) {
            p->rcode = r->ttl;
        } else if (r->type == type && addr_parse(str_from(r->data), &a)) {
            put_record(p, name, type, r->ttl, a.bytes, a.family == 4 ? 4 : 16);
        }
    }
    if (!is_known)
        p->rcode = NXDOMAIN;
}

/* Reads the question's name and type, and makes the packet the answer to it. */
static void
respond(struct packet *p)
{
    char name[256] = "";
    size_t at = 12, len = 0;
    int type;

    while (p->bytes[at]) {
        memcpy(name + len, p->bytes + at + 1, p->bytes[at]);
        len += p->bytes[at];
        name[len++] = '.';
        at += 1U + p->bytes[at];
    }
    name[len ? len - 1 : 0] = '\0';
    type = p->bytes[at + 1] << 8 | p->bytes[at + 2];
    if (strncmp(name, "in-hosts.", 9) == 0 || strncmp(name, "192.", 4) == 0)
        atomic_fetch_add(&server.host_queries, 1);
    p->len = at + 5; /* without the query's additional records */
    answer(p, name, type);
    p->bytes[2] = 0x81;
    p->bytes[3] = (uint8_t)(0x80 | (p->rcode & 15));
    memset(p->bytes + 4, 0, 8);
    p->bytes[5] = 1;
    p->bytes[7] = (uint8_t)p->answers;
}

static void *
serve(void *arg)
{
    for (;;) {
        struct packet p = { 0 };
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(server.fd, p.bytes, sizeof(p.bytes), 0, (struct sockaddr *)&from, &from_len);

        if (n < 12)
            return NULL; /* the empty datagram that ends the test */
        respond(&p);
        if (p.rcode != SILENT)
            sendto(server.fd, p.bytes, p.len, 0, (struct sockaddr *)&from, from_len);
    }
}

struct fixture {
    struct loop *loop;
    struct timer deadline;
    struct resolver *resolver;
    struct lookup *lookup;
    struct resolved result;
    int calls;
};

static void
on_deadline(void *arg)
{
    fail_msg("nothing happened for 10 s");
}

static void
begin(struct fixture *f)
{
    char servers[32];

    *f = (struct fixture){ .loop = loop_new() };
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", server.port);
    f->resolver = resolver_new_with(f->loop, servers);
    timer_init(&f->deadline, f->loop, on_deadline, NULL);
    timer_set(&f->deadline, 10 * USEC_PER_SEC);
}

static void
finish(struct fixture *f)
{
    resolver_free(f->resolver);
    timer_fini(&f->deadline);
    loop_free(f->loop);
}

static void
on_resolved(void *arg, const struct resolved *result)
{
    struct fixture *f = arg;

    f->result = *result;
    f->calls++;
    lookup_cancel(&f->lookup); /* allowed, and without effect but on the pointer */
    loop_stop(f->loop);
}

static void
resolve(struct fixture *f, const char *name)
{
    f->calls = 0;
    f->lookup = lookup_start(f->resolver, name, on_resolved, f);
    assert_int_equal(f->calls, 0);
    assert_non_null(f->lookup);
    loop_run(f->loop);
    assert_int_equal(f->calls, 1);
}

static void
test_names(void **state)
{
    static const struct {
        const char *name;
        int error, ttl_s;
        const char *addrs;
    } cases[] = {
        { "v4.test", 0, 30, "192.0.2.1 " },
        { "v4.test.", 0, 30, "192.0.2.1 " },
        { "v6.test.", 0, 40, "2001:db8::1 " },
        { "both.test.", 0, 20, "192.0.2.3 192.0.2.9 2001:db8::3 2001:db8::9 " },
        { "alias.test.", 0, 7, "192.0.2.1 " },
        { "zero.test.", 0, 1, "192.0.2.4 " },
        { "nosuch.test.", -ENOENT, 0, "" },
        { "servfail.test.", -EIO, 0, "" },
        { "silent.test.", -ETIMEDOUT, 0, "" },
        { "192.0.2.77", 0, 60, "192.0.2.77 " },
        { "[::1]", 0, 60, "::1 " },
        { "2001:db8::77", 0, 60, "2001:db8::77 " },
        { "in-hosts.test", 0, 60, "192.0.2.55 2001:db8::55 " },
        { "bad..name.test", -ENOENT, 0, "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        char addrs[512] = "", text[ADDR_TEXT_MAX];

        begin(&f);
        resolve(&f, cases[i].name);
        for (unsigned k = 0; k < f.result.n; k++) {
            size_t len = strlen(addrs);

            snprintf(addrs + len, sizeof(addrs) - len, "%s ", addr_print(&f.result.addrs[k], -1, text));
        }
        if (f.result.error != cases[i].error || strcmp(addrs, cases[i].addrs) != 0 ||
            (!f.result.error && f.result.ttl_us != cases[i].ttl_s * USEC_PER_SEC))
            fail_msg("%s: %d, %ld us, %s", cases[i].name, f.result.error, (long)f.result.ttl_us, addrs);
        assert_int_equal(f.result.error_text != NULL, f.result.error != 0);
        finish(&f);
    }
}

/* As the hosts file has it (newer c-ares: both, whatever it has); where there is no file, both. */
static void
test_localhost(void **state)
{
    struct fixture f;

    begin(&f);
    resolve(&f, "localhost");
    assert_int_equal(f.result.error, 0);
    assert_int_equal(f.result.ttl_us, 60 * USEC_PER_SEC);
    assert_in_range(f.result.n, 1, 2);
    assert_int_equal(f.result.addrs[0].bytes[0], 127);
    setenv("CARES_HOSTS", "/nonexistent/hosts", 1);
    resolve(&f, "LocalHost");
    setenv("CARES_HOSTS", hosts_path, 1);
    assert_int_equal(f.result.error, 0);
    assert_int_equal(f.result.n, 2);
    assert_int_equal(f.result.addrs[0].bytes[0], 127);
    assert_int_equal(f.result.addrs[1].bytes[15], 1);
    finish(&f);
}

static void
test_many_addresses(void **state)
{
    struct fixture f;

    begin(&f);
    resolve(&f, "many.test.");
    assert_int_equal(f.result.error, 0);
    assert_int_equal(f.result.n, RESOLVED_MAX);
    for (unsigned i = 0; i < RESOLVED_MAX; i++) {
        assert_int_equal(f.result.addrs[i].family, i < MANY ? 4 : 6);
        assert_int_equal(f.result.addrs[i].bytes[i < MANY ? 3 : 15], i % MANY + 1);
    }
    finish(&f);
}

static void
on_never(void *arg, const struct resolved *result)
{
    fail_msg("told after it was cancelled");
}

static void
test_cancel(void **state)
{
    struct fixture f;
    struct lookup *asked, *answered, *none = NULL;

    begin(&f);
    asked = lookup_start(f.resolver, "both.test.", on_never, NULL);
    answered = lookup_start(f.resolver, "192.0.2.1", on_never, NULL); /* has its answer, not yet told */
    lookup_cancel(&asked);
    lookup_cancel(&answered);
    lookup_cancel(&none);
    assert_null(asked);
    assert_null(answered);
    resolve(&f, "v4.test.");
    assert_int_equal(f.result.n, 1);
    lookup_start(f.resolver, "silent.test.", on_never, NULL); /* ended by the resolver's end */
    lookup_start(f.resolver, "192.0.2.1", on_never, NULL);
    asked = lookup_start(f.resolver, "silent.test.", on_never, NULL);
    lookup_cancel(&asked);
    finish(&f);
}

static void
on_free_resolver(void *arg, const struct resolved *result)
{
    struct fixture *f = arg;

    assert_int_equal(result->n, 1);
    resolver_free(f->resolver);
    f->resolver = NULL;
    assert_int_equal(result->n, 1); /* still there */
    loop_stop(f->loop);
}

static void
test_free_in_callback(void **state)
{
    struct fixture f;

    begin(&f);
    lookup_start(f.resolver, "silent.test.", on_never, NULL);
    lookup_start(f.resolver, "v4.test.", on_free_resolver, &f);
    loop_run(f.loop);
    assert_null(f.resolver);
    finish(&f);
}

/* The hosts file and literals ask nobody. */
static void
test_no_query_for_hosts(void **state)
{
    struct fixture f;

    begin(&f);
    resolve(&f, "in-hosts.test");
    resolve(&f, "192.0.2.1");
    resolve(&f, "v4.test."); /* the server has seen all that was asked before */
    assert_int_equal(atomic_load(&server.host_queries), 0);
    finish(&f);
}

static void
test_system_configuration(void **state)
{
    struct fixture f = { .loop = loop_new() };

    f.resolver = resolver_new(f.loop);
    timer_init(&f.deadline, f.loop, on_deadline, NULL);
    timer_set(&f.deadline, 10 * USEC_PER_SEC);
    resolve(&f, "localhost");
    assert_int_equal(f.result.error, 0);
    finish(&f);
}

static int
start_server(void **state)
{
    static const char hosts[] =
        "127.0.0.1 localhost\n192.0.2.55 in-hosts.test other.test\n2001:db8::55 in-hosts.test\n";
    static const struct addr loopback = { .family = 4, .bytes = { 127, 0, 0, 1 } };
    struct sockaddr_storage sa;
    socklen_t len = addr_to_sockaddr(&loopback, 0, &sa);
    struct addr bound;
    int fd = mkstemp(hosts_path);

    if (fd < 0 || write(fd, hosts, sizeof(hosts) - 1) != sizeof(hosts) - 1 || close(fd) < 0)
        return -1;
    setenv("CARES_HOSTS", hosts_path, 1);
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(server.fd, (struct sockaddr *)&sa, len) < 0 || getsockname(server.fd, (struct sockaddr *)&sa, &len) < 0)
        return -1;
    addr_from_sockaddr((struct sockaddr *)&sa, &bound, &server.port);
    return pthread_create(&server.thread, NULL, serve, NULL);
}

static int
stop_server(void **state)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(server.port), .sin_addr = { htonl(INADDR_LOOPBACK) }
    };

    sendto(server.fd, "", 0, 0, (struct sockaddr *)&to, sizeof(to));
    pthread_join(server.thread, NULL);
    close(server.fd);
    return unlink(hosts_path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_localhost),
        cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_free_in_callback),
        cmocka_unit_test(test_no_query_for_hosts),
        cmocka_unit_test(test_system_configuration),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
