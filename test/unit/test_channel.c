/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/net/channel.h"

#define PATIENCE_US (5 * USEC_PER_SEC)

static char folder[] = "/tmp/test_channel.XXXXXX";

static int
set_up(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int
tear_down(void **state)
{
    return rmdir(folder);
}

/* A message with descriptors goes both ways between an accepted and a dialled end. */
static void
talk(struct str address)
{
    struct channel_message m;
    int fds[CHANNEL_FDS], listening = channel_listen(address), far, near;
    uid_t uid = 0;
    pid_t pid = 0;

    assert_true(listening >= 0);
    far = channel_dial(address, PATIENCE_US);
    assert_true(far >= 0);
    near = channel_accept(listening);
    assert_true(near >= 0);
    assert_int_equal(channel_peer(near, &uid, &pid), 0);
    assert_int_equal(uid, geteuid());
    assert_int_equal(pid, getpid());
    assert_int_equal(channel_receive(near, &m), -EAGAIN);
    for (unsigned i = 0; i < CHANNEL_FDS; i++)
        fds[i] = listening;
    assert_int_equal(channel_send(far, STR("some"), fds, CHANNEL_FDS), 0);
    assert_int_equal(channel_send(far, STR("none"), NULL, 0), 0);
    assert_int_equal(channel_receive(near, &m), 0);
    assert_true(str_eq(str_make(m.bytes, m.len), STR("some")));
    assert_int_equal(m.n_fds, CHANNEL_FDS);
    for (unsigned i = 0; i < m.n_fds; i++) {
        assert_int_equal(fcntl(m.fds[i], F_GETFD), FD_CLOEXEC);
        close(m.fds[i]);
    }
    assert_int_equal(channel_receive(near, &m), 0);
    assert_true(str_eq(str_make(m.bytes, m.len), STR("none")));
    assert_int_equal(m.n_fds, 0);
    close(near);
    assert_int_equal(channel_receive(far, &m), 0);
    assert_int_equal(m.len, 0);
    close(far);
    close(listening);
}

static void
test_addresses(void **state)
{
    char path[64], longer[400], name[64];

    snprintf(path, sizeof(path), "%s/socket", folder);
    assert_int_equal(channel_dial(str_from(path), PATIENCE_US), -ENOENT);
    talk(str_from(path));
    assert_int_equal(channel_dial(str_from(path), PATIENCE_US), -ECONNREFUSED); /* stale */
    talk(str_from(path));                                                       /* taken over */
    unlink(path);
    snprintf(name, sizeof(name), "@test_channel.%d", (int)getpid());
    talk(str_from(name));
    snprintf(longer, sizeof(longer), "%s/%0200d", folder, 1);
    assert_int_equal(mkdir(longer, 0700), 0);
    snprintf(longer, sizeof(longer), "%s/%0200d/socket", folder, 1);
    assert_int_equal(channel_dial(str_from(longer), PATIENCE_US), -ENOENT);
    talk(str_from(longer));
    assert_int_equal(unlink(longer), 0);
    longer[strlen(longer) - strlen("/socket")] = '\0';
    assert_int_equal(rmdir(longer), 0);
    assert_int_equal(channel_listen(STR("/nonexistent/folder/socket")), -ENOENT);
    assert_int_equal(channel_listen(STR("@")), -ENAMETOOLONG);
}

/* Two listen at one path one after the other: who dials finds the second, and never nobody. */
static void
test_place_is_taken(void **state)
{
    char path[64];
    int first, second, far;

    snprintf(path, sizeof(path), "%s/socket", folder);
    first = channel_listen(str_from(path));
    second = channel_listen(str_from(path));
    far = channel_dial(str_from(path), PATIENCE_US);
    assert_true(far >= 0);
    assert_int_equal(channel_accept(first), -EAGAIN);
    close(far);
    far = channel_accept(second);
    assert_true(far >= 0);
    close(far);
    close(first);
    close(second);
    unlink(path);
}

static void
test_too_long(void **state)
{
    struct channel_message m;
    char text[CHANNEL_BYTES * 2];
    int fds[2];

    memset(text, 'x', sizeof(text));
    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(write(fds[1], text, sizeof(text)), (int)sizeof(text));
    assert_int_equal(channel_receive(fds[0], &m), -EMSGSIZE);
    assert_int_equal(channel_receive(fds[0], &m), -EAGAIN);
    channel_set_patience(fds[1], 1000);
    assert_int_equal(channel_receive(fds[1], &m), -EAGAIN);
    close(fds[0]);
    close(fds[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_place_is_taken),
        cmocka_unit_test(test_too_long),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
