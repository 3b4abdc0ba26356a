/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "conf/supervised.h"

enum { PID = 77 };

static const struct {
    const char *environ[6];
    const char *notify;
    int64_t watchdog_us;
    unsigned n_fds;
} rows[] = {
    { { "HOME=/" }, "", 0, 0 },
    { { "NOTIFY_SOCKET=/run/systemd/notify", "WATCHDOG_USEC=3000000", "WATCHDOG_PID=77" }, "/run/systemd/notify",
        3000000, 0 },
    { { "NOTIFY_SOCKET=@abc", "WATCHDOG_USEC=10" }, "@abc", 10, 0 },
    { { "NOTIFY_SOCKET=vsock:2:1234" }, "", 0, 0 },
    { { "WATCHDOG_USEC=10", "WATCHDOG_PID=78" }, "", 0, 0 },
    { { "WATCHDOG_USEC=10", "WATCHDOG_PID=" }, "", 10, 0 },
    { { "WATCHDOG_USEC=18446744073709551615" }, "", 0, 0 },
    { { "WATCHDOG_USEC=-1" }, "", 0, 0 },
    { { "LISTEN_FDS=2", "LISTEN_PID=77" }, "", 0, 2 },
    { { "LISTEN_FDS=2", "LISTEN_PID=78" }, "", 0, 0 }, /* meant for a parent */
    { { "LISTEN_FDS=2" }, "", 0, 0 },
    { { "LISTEN_FDS=two", "LISTEN_PID=77" }, "", 0, 0 },
    { { "LISTEN_FDS=1000000", "LISTEN_PID=77" }, "", 0, 0 },
};

static void
test_rows(void **state)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct supervised s;

        supervised_read((char **)(uintptr_t)rows[i].environ, PID, &s);
        assert_true(str_eq(s.notify, str_from(rows[i].notify)));
        assert_int_equal(s.watchdog_us, rows[i].watchdog_us);
        assert_int_equal(s.n_fds, rows[i].n_fds);
    }
}

static void
test_names(void **state)
{
    const char *environ[] = { "LISTEN_PID=77", "LISTEN_FDS=4", "LISTEN_FDNAMES=web::admin", NULL };
    struct supervised s;

    supervised_read((char **)(uintptr_t)environ, PID, &s);
    assert_true(str_eq(supervised_fd_name(&s, 0), STR("web")));
    assert_int_equal(supervised_fd_name(&s, 1).len, 0);
    assert_true(str_eq(supervised_fd_name(&s, 2), STR("admin")));
    assert_int_equal(supervised_fd_name(&s, 3).len, 0);
    s.fd_names = STR_NONE;
    assert_int_equal(supervised_fd_name(&s, 0).len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
