/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "proxy/base/mem.h"
#include "proxy/server/sockets.h"

static struct socket_group *
add(struct sockets *s, const char *bound, const char *configured, bool is_admin)
{
    struct addr addr;
    uint16_t port;
    struct socket_group *g;

    assert_true(addr_parse_port(str_from(bound), &addr, &port));
    g = sockets_add(s, &addr, port);
    assert_non_null(g);
    snprintf(g->text, sizeof(g->text), "%s", configured);
    g->is_admin = is_admin;
    return g;
}

static struct listen_conf
conf(const char *text)
{
    struct listen_conf l = { .text = str_from(text) };
    struct str address, suffix;

    str_cut(l.text, '/', &address, &suffix);
    assert_true(addr_parse_port(address, &l.addr, &l.port));
    return l;
}

/* Which of the groups below goes to a configured address; -1: none. */
static const struct {
    const char *configured;
    bool is_admin;
    int want;
} rows[] = {
    { "0.0.0.0:6333", false, 0 },
    { "0.0.0.0:6333/proxy", false, 0 }, /* how it is spoken is the new configuration's business */
    { "127.0.0.1:6333", false, -1 },
    { "0.0.0.0:6334", false, -1 },
    { "0.0.0.0:6333", true, -1 },
    { "[::]:6333", false, 1 },
    { "127.0.0.1:0", false, 2 }, /* the system chose its port */
    { "127.0.0.1:40001", false, 2 },
    { "127.0.0.2:0", false, -1 },
    { "127.0.0.1:6390", true, 3 },
    { "127.0.0.1:6390", false, -1 },
};

static void
test_take(void **state)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct listen_conf l = conf(rows[i].configured);
        struct sockets s = { .n = 0 };
        struct socket_group *groups[4] = { add(&s, "0.0.0.0:6333", "0.0.0.0:6333", false),
            add(&s, "[::]:6333", "[::]:6333", false), add(&s, "127.0.0.1:40001", "127.0.0.1:0", false),
            add(&s, "127.0.0.1:6390", "127.0.0.1:6390", true) };
        struct socket_group *got = sockets_find(&s, &l, rows[i].is_admin);

        assert_ptr_equal(got, rows[i].want < 0 ? NULL : groups[rows[i].want]);
        assert_ptr_equal(sockets_take(&s, &l, rows[i].is_admin), got);
        assert_int_equal(s.n, got ? 3 : 4);
        assert_null(sockets_find(&s, &l, rows[i].is_admin));
        mem_free(got);
        sockets_fini(&s);
    }
}

/* The service manager's name for it counts, wherever it is bound. */
static void
test_named(void **state)
{
    struct sockets s = { .n = 0 };
    struct listen_conf l = conf("127.0.0.1:6390");

    add(&s, "127.0.0.1:7777", "", true)->is_named = true;
    assert_non_null(sockets_find(&s, &l, true));
    assert_null(sockets_find(&s, &l, false));
    sockets_fini(&s);
}

static void
test_room(void **state)
{
    struct sockets s = { .n = 0 };
    struct addr any = { .family = 4 };
    struct buf text = { 0 };

    add(&s, "127.0.0.1:1", "", false);
    add(&s, "[::1]:2", "", false);
    sockets_print(&s, &text);
    assert_true(str_eq(buf_str(&text), STR("127.0.0.1:1, [::1]:2")));
    buf_fini(&text);
    while (s.n < GROUPS_MAX)
        assert_non_null(sockets_add(&s, &any, 1));
    assert_null(sockets_add(&s, &any, 1));
    sockets_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_named),
        cmocka_unit_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
