/* SPDX-License-Identifier: Apache-2.0
 *
 * The verdict machine by rows. P a probe passed, p it failed, T traffic went well, t it failed, . a tick; digits let that
 * many seconds pass. fall 3, rise 2, out for 5 s and at most 40, ramp 10 s.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proxy/base/clock.h"
#include "proxy/upstream/health.h"

static const struct health_conf conf = { 3, 2, 5 * USEC_PER_SEC, 40 * USEC_PER_SEC, 10 * USEC_PER_SEC };

static struct health
run(const char *events, int64_t *now)
{
    struct health h = { 0 };

    for (*now = 1000 * USEC_PER_SEC; *events; events++) {
        static const char letters[] = "PpTt.";
        const char *at = letters;

        if (*events >= '0' && *events <= '9') {
            *now += (*events - '0') * USEC_PER_SEC;
            continue;
        }
        while (*at != *events)
            at++;
        health_step(&h, &conf, (enum health_event)(at - letters), *now);
    }
    return h;
}

static const struct row {
    const char *events;
    enum health_state state;
} rows[] = {
    { "", HEALTH_NEW },
    { "P", HEALTH_UP },
    { "T", HEALTH_UP },
    { "Pp", HEALTH_DOUBT },
    { "Ppp", HEALTH_DOUBT },
    { "PpP", HEALTH_UP },
    { "Pppp", HEALTH_DOWN },
    { "PpPppp", HEALTH_DOWN },
    { "Pttp", HEALTH_DOWN },
    { "Pttt", HEALTH_EJECTED },
    { "PttTt", HEALTH_EJECTED },    /* one success forgives nothing */
    { "PttTTTTTtt", HEALTH_DOUBT }, /* five do */
    { "PtttPPP", HEALTH_EJECTED },  /* its time is not over */
    { "Pttt4PPP", HEALTH_EJECTED },
    { "Pttt5P", HEALTH_RAMP },
    { "Pttt5p", HEALTH_EJECTED },
    { "Ptttppp", HEALTH_DOWN },
    { "PpppP", HEALTH_DOWN },
    { "PpppPP", HEALTH_RAMP }, /* a first fall may be a restart */
    { "PpppPpP", HEALTH_DOWN },
    { "PpppPP9P", HEALTH_RAMP },
    { "PpppPP91P", HEALTH_UP },
    { "PpppPPpppPP", HEALTH_DOWN }, /* a second fall soon after stays out longer */
    { "PpppPPppp9PP", HEALTH_DOWN },
    { "PpppPPppp91PP", HEALTH_RAMP },
};

static void
test_rows(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t now;
        struct health h = run(rows[i].events, &now);

        if (h.state != rows[i].state)
            fail_msg("%s: %s", rows[i].events, health_state_name(h.state));
    }
}

static void
test_share_grows(void **state)
{
    int64_t now;
    struct health h = run("PpppPP", &now);

    assert_float_equal(health_share(&h, &conf, now), 0.1, 1e-9);
    assert_float_equal(health_share(&h, &conf, now + 5 * USEC_PER_SEC), 0.5, 1e-9);
    assert_float_equal(health_share(&h, &conf, now + 50 * USEC_PER_SEC), 1, 1e-9);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows), cmocka_unit_test(test_share_grows) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
