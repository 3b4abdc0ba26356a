/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses as text against what the C library reads; the search for a network against a look at all of them, at random.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdlib.h>

#include "conf/networks.h"

static uint64_t random_state = 1;

static unsigned
draw(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % n;
}

static void
test_text(void **state)
{
    static const char *const pieces[] = { "0", "1", "9", "25", "255", "256", "00", "01", "100", ".", ".", ".", ".", "",
        "a", " ", "-", "x" };
    enum { N_PIECES = sizeof(pieces) / sizeof(pieces[0]) };
    unsigned n_good = 0;

    for (unsigned round = 0; round < 100000; round++) {
        struct addr a = { .family = 0 };
        unsigned n = draw(2) ? 7 : draw(9), len = 0;
        char text[64] = "";
        uint8_t want[4];
        bool is_good;

        for (unsigned i = 0; i < n; i++) {
            const char *piece = i % 2 && draw(20) ? "." : pieces[draw(draw(5) ? 5 : N_PIECES)];

            memcpy(text + len, piece, strlen(piece) + 1);
            len += (unsigned)strlen(piece);
        }
        is_good = inet_pton(AF_INET, text, want) == 1;
        n_good += is_good;
        if (addr_parse(str_from(text), &a) != is_good)
            fail_msg("\"%s\" is %san address", text, is_good ? "" : "not ");
        if (is_good)
            assert_true(a.family == 4 && memcmp(a.bytes, want, 4) == 0);
    }
    assert_true(n_good > 5000);
}

/* Addresses of few different bits, so that networks nest and addresses fall into them. */
static struct cidr
draw_network(void)
{
    bool is_v6 = draw(2);
    struct cidr net = { .base.family = is_v6 ? 6 : 4, .bits = (uint8_t)draw(is_v6 ? 129 : 33) };

    for (unsigned bit = 0; bit < net.bits; bit++) {
        if (bit % 16 > 12 && draw(2))
            net.base.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    return net;
}

static void
test_search(void **state)
{
    unsigned n_found = 0, n_missed = 0;

    for (unsigned round = 0; round < 1000; round++) {
        struct arena arena = { 0 };
        struct cidr list[200];
        unsigned n = draw(round % 2 ? 4 : 200);
        struct networks networks;

        for (unsigned i = 0; i < n; i++)
            list[i] = draw_network();
        if (n)
            qsort(list, n, sizeof(*list), networks_order);
        networks = networks_index(list, n, &arena);
        for (unsigned i = 0; i < 100; i++) {
            struct addr a = draw_network().base;
            int want = -1, got = networks_find(&networks, &a);

            for (unsigned j = 0; j < n && want < 0; j++)
                want = cidr_has(&list[j], &a) ? (int)j : -1;
            n_found += want >= 0;
            n_missed += want < 0;
            /* The same network may stand there twice. */
            if ((want < 0) != (got < 0) || (got >= 0 && networks_order(&list[want], &list[got]) != 0))
                fail_msg("round %u: %d instead of %d", round, got, want);
        }
        arena_fini(&arena);
    }
    assert_true(n_found > 10000 && n_missed > 10000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
