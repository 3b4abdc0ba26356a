/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/server/state.h"

static char dir[64];

static int
make_dir(void **state)
{
    snprintf(dir, sizeof(dir), "/tmp/sextant-state-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
    static const char *const names[] = { "lock", "a.json", "a.json.new", "sub" };
    char path[128];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)remove(path);
    }
    return rmdir(dir);
}

static struct state *
open_locked(void)
{
    struct state *s = NULL;

    assert_int_equal(state_open(str_from(dir), &s), 0);
    assert_int_equal(state_lock(s, NULL), 0);
    return s;
}

static void
expect_text(struct state *s, const char *text)
{
    struct buf got = { 0 };

    assert_int_equal(state_read(s, "a.json", 1 << 20, &got), 0);
    assert_int_equal(buf_len(&got), strlen(text));
    assert_memory_equal(buf_str(&got).p, text, strlen(text));
    buf_fini(&got);
}

static void
test_what_was_written_is_read(void **state)
{
    struct state *s = open_locked();
    struct buf got = { 0 };

    buf_add(&got, STR("before"));
    assert_int_equal(state_read(s, "a.json", 100, &got), -ENOENT);
    assert_int_equal(state_write(s, "a.json", STR("one")), 0);
    assert_int_equal(state_write(s, "a.json", STR("second")), 0);
    expect_text(s, "second");
    assert_int_equal(state_read(s, "a.json", 6, &got), 0);
    assert_int_equal(state_read(s, "a.json", 5, &got), -EFBIG);
    assert_int_equal(buf_len(&got), strlen("beforesecond"));
    assert_int_equal(state_write(s, "a.json", STR("")), 0);
    expect_text(s, "");
    buf_fini(&got);
    state_close(&s);
    assert_null(s);
    state_close(&s);
}

static void
test_directories_that_are_none(void **state)
{
    struct state *s = NULL;

    assert_int_equal(state_open(STR("/nonexistent/at/all"), &s), -ENOENT);
    assert_int_equal(state_open(STR("/dev/null"), &s), -ENOTDIR);
    assert_int_equal(state_open(STR(""), &s), -ENAMETOOLONG);
    assert_null(s);
}

static void
test_there_is_one_writer(void **state)
{
    struct state *first = open_locked(), *second = NULL;
    pid_t pid = 0;

    assert_int_equal(state_write(first, "a.json", STR("first")), 0);
    assert_int_equal(state_open(str_from(dir), &second), 0);
    assert_int_equal(state_lock(second, &pid), -EWOULDBLOCK);
    assert_int_equal(pid, getpid());
    assert_false(state_is_writer(second));
    assert_int_equal(state_write(second, "a.json", STR("second")), -EPERM);
    expect_text(second, "first");
    state_unlock(first);
    assert_int_equal(state_write(first, "a.json", STR("late")), -EPERM);
    assert_int_equal(state_lock(second, &pid), 0);
    assert_int_equal(state_lock(second, &pid), 0);
    assert_int_equal(state_write(second, "a.json", STR("second")), 0);
    expect_text(first, "second");
    state_close(&first);
    state_close(&second);
}

static void
test_a_killed_writer_leaves_no_lock(void **state)
{
    int ready[2];
    char byte;
    pid_t child;
    struct state *s = NULL;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        struct state *mine = NULL;
        bool ok = state_open(str_from(dir), &mine) == 0 && state_lock(mine, NULL) == 0;

        (void)!write(ready[1], ok ? "y" : "n", 1);
        pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(state_open(str_from(dir), &s), 0);
    assert_int_equal(state_lock(s, NULL), -EWOULDBLOCK);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(state_lock(s, NULL), 0);
    state_close(&s);
    close(ready[0]);
    close(ready[1]);
}

/* A disk that takes no more, by the limit of file sizes. */
static void
test_a_failed_write_keeps_the_old_text(void **state)
{
    struct state *s = open_locked();
    struct rlimit old, small;
    char path[128];

    assert_int_equal(state_write(s, "a.json", STR("old")), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 4;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(state_write(s, "a.json", STR("longer than that")), -EFBIG);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    expect_text(s, "old");
    snprintf(path, sizeof(path), "%s/a.json.new", dir);
    assert_int_equal(access(path, F_OK), -1);
    state_close(&s);
}

static void
test_leftovers_and_links_do_no_harm(void **state)
{
    struct state *s = open_locked();
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/a.json.new", dir);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "half of a longer tex", 20), 20);
    close(fd);
    assert_int_equal(state_write(s, "a.json", STR("new")), 0);
    expect_text(s, "new");
    assert_int_equal(symlink("/dev/full", path), 0);
    assert_int_equal(state_write(s, "a.json", STR("newer")), -ELOOP);
    expect_text(s, "new");
    state_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_was_written_is_read, make_dir, remove_dir),
        cmocka_unit_test(test_directories_that_are_none),
        cmocka_unit_test_setup_teardown(test_there_is_one_writer, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_killed_writer_leaves_no_lock, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_a_failed_write_keeps_the_old_text, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(test_leftovers_and_links_do_no_harm, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
