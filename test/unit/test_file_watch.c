/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proxy/net/file_watch.h"

struct fixture {
    struct loop *loop;
    struct timer deadline, stop;
    struct file_watch *watch;
    char directory[32];
    int calls;
    bool is_freed_in_call;
    int64_t told_us;
};

static void
on_deadline(void *arg)
{
    fail_msg("nothing happened for 10 s");
}

static void
on_stop(void *arg)
{
    loop_stop(arg);
}

static void
on_change(void *arg)
{
    struct fixture *f = arg;

    f->calls++;
    f->told_us = clock_mono_us();
    if (f->is_freed_in_call) {
        file_watch_free(f->watch);
        f->watch = NULL;
    }
    loop_stop(f->loop);
}

static void
begin(struct fixture *f)
{
    *f = (struct fixture){ .loop = loop_new(), .directory = "/tmp/sextant-watch-XXXXXX" };
    assert_non_null(mkdtemp(f->directory));
    assert_int_equal(chdir(f->directory), 0);
    timer_init(&f->deadline, f->loop, on_deadline, f);
    timer_init(&f->stop, f->loop, on_stop, f->loop);
}

static void
finish(struct fixture *f)
{
    char command[64];

    file_watch_free(f->watch);
    timer_fini(&f->deadline);
    timer_fini(&f->stop);
    loop_free(f->loop);
    assert_int_equal(chdir("/"), 0);
    snprintf(command, sizeof(command), "exec rm -r %s", f->directory);
    pclose(popen(command, "w"));
}

static void
watch(struct fixture *f, const char *const *paths, size_t n)
{
    assert_int_equal(file_watch_new(f->loop, paths, n, on_change, f, &f->watch), 0);
}

static void
put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Exactly one call, then quiet. */
static void
expect_call(struct fixture *f)
{
    f->calls = 0;
    timer_set(&f->deadline, 10 * USEC_PER_SEC);
    loop_run(f->loop);
    timer_clear(&f->deadline);
    assert_int_equal(f->calls, 1);
}

static void
expect_nothing(struct fixture *f)
{
    f->calls = 0;
    timer_set(&f->stop, 300 * USEC_PER_MSEC);
    loop_run(f->loop);
    assert_int_equal(f->calls, 0);
}

static void
test_write_and_rename(void **state)
{
    struct fixture f;
    const char *paths[] = { "map", "areas" };
    int64_t start_us;

    begin(&f);
    put("map", "one");
    put("areas", "one");
    watch(&f, paths, 2);
    start_us = clock_mono_us();
    put("map", "two"); /* in place, same size */
    put("areas", "twofold");
    expect_call(&f); /* once for both */
    assert_true(f.told_us - start_us >= 200 * USEC_PER_MSEC);
    put("areas.new", "three");
    assert_int_equal(rename("areas.new", "areas"), 0);
    expect_call(&f);
    put("areas.new", "four"); /* the watch is not on the old file */
    assert_int_equal(rename("areas.new", "areas"), 0);
    expect_call(&f);
    put("bystander", "x");
    assert_int_equal(unlink("bystander"), 0);
    expect_nothing(&f);
    assert_int_equal(unlink("map"), 0);
    expect_call(&f);
    finish(&f);
}

/* A write that leaves size and time as they were (a copy that keeps times; or two writes within the clock's grain). */
static void
test_same_fingerprint(void **state)
{
    struct fixture f;
    const char *paths[] = { "map" };
    struct stat st;

    begin(&f);
    put("map", "one");
    watch(&f, paths, 1);
    assert_int_equal(stat("map", &st), 0);
    put("map", "two");
    assert_int_equal(utimensat(AT_FDCWD, "map", (struct timespec[]){ st.st_atim, st.st_mtim }, 0), 0);
    expect_call(&f);
    finish(&f);
}

static void
test_appears_later(void **state)
{
    struct fixture f;
    char deep[PATH_MAX];
    const char *paths[] = { "map", deep };

    begin(&f);
    snprintf(deep, sizeof(deep), "%s/not/yet/there", f.directory);
    watch(&f, paths, 2);
    put("map", "one");
    expect_call(&f);
    assert_int_equal(mkdir("not", 0700), 0); /* its directories come one by one */
    expect_nothing(&f);
    assert_int_equal(mkdir("not/yet", 0700), 0);
    expect_nothing(&f);
    put("not/yet/there", "one");
    expect_call(&f);
    assert_int_equal(rename("not", "gone"), 0);
    expect_call(&f);
    assert_int_equal(rename("gone", "not"), 0);
    expect_call(&f);
    finish(&f);
}

/* A mounted ConfigMap: map → ..data/map, ..data → ..1; an update makes ..2 and renames a new ..data over the old. */
static void
test_kubernetes(void **state)
{
    struct fixture f;
    const char *paths[] = { "map" };

    begin(&f);
    assert_int_equal(mkdir("..1", 0700), 0);
    put("..1/map", "one");
    assert_int_equal(symlink("..1", "..data"), 0);
    assert_int_equal(symlink("..data/map", "map"), 0);
    watch(&f, paths, 1);
    for (int update = 2; update < 5; update++) {
        char directory[16], file[32], old[16], old_file[32];

        snprintf(directory, sizeof(directory), "..%d", update);
        snprintf(file, sizeof(file), "..%d/map", update);
        snprintf(old, sizeof(old), "..%d", update - 1);
        snprintf(old_file, sizeof(old_file), "..%d/map", update - 1);
        assert_int_equal(mkdir(directory, 0700), 0);
        put(file, "one");
        assert_int_equal(symlink(directory, "..data_tmp"), 0);
        assert_int_equal(rename("..data_tmp", "..data"), 0);
        assert_int_equal(unlink(old_file), 0);
        assert_int_equal(rmdir(old), 0);
        expect_call(&f);
        expect_nothing(&f);
    }
    finish(&f);
}

/* A link into another directory, whose target is then written in place, and then switched. */
static void
test_link_elsewhere(void **state)
{
    struct fixture f;
    const char *paths[] = { "here/map" };

    begin(&f);
    assert_int_equal(mkdir("here", 0700), 0);
    assert_int_equal(mkdir("a", 0700), 0);
    assert_int_equal(mkdir("b", 0700), 0);
    put("a/map", "one");
    put("b/map", "b");
    assert_int_equal(symlink("../a/map", "here/map"), 0);
    watch(&f, paths, 1);
    put("a/map", "two");
    expect_call(&f);
    assert_int_equal(symlink("../b/map", "here/new"), 0);
    assert_int_equal(rename("here/new", "here/map"), 0);
    expect_call(&f);
    put("b/map", "three");
    expect_call(&f);
    put("a/map", "no longer ours");
    expect_nothing(&f);
    finish(&f);
}

static void
on_scribble(void *arg)
{
    struct fixture *f = arg;

    put("bystander", "x");
    timer_set(&f->stop, 50 * USEC_PER_MSEC);
}

/* Unrest that does not end is looked into all the same. */
static void
test_never_quiet(void **state)
{
    struct fixture f;
    const char *paths[] = { "map" };

    begin(&f);
    put("map", "one");
    watch(&f, paths, 1);
    timer_init(&f.stop, f.loop, on_scribble, &f);
    timer_set(&f.stop, 0);
    put("map", "changed");
    expect_call(&f);
    finish(&f);
}

static void
test_free_in_callback(void **state)
{
    struct fixture f;
    const char *paths[] = { "map" };

    begin(&f);
    f.is_freed_in_call = true;
    watch(&f, paths, 1);
    put("map", "one");
    expect_call(&f);
    assert_null(f.watch);
    put("map", "two");
    expect_nothing(&f);
    finish(&f);
}

static void
test_exhausted(void **state)
{
    struct fixture f;
    const char *paths[] = { "map" };
    struct rlimit limit, none;
    struct file_watch *untouched = (struct file_watch *)&f, *w = untouched;

    begin(&f);
    getrlimit(RLIMIT_NOFILE, &limit);
    none = limit;
    none.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &none);
    assert_int_equal(file_watch_new(f.loop, paths, 1, on_change, &f, &w), -EMFILE);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_ptr_equal(w, untouched);
    finish(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_rename),
        cmocka_unit_test(test_same_fingerprint),
        cmocka_unit_test(test_appears_later),
        cmocka_unit_test(test_kubernetes),
        cmocka_unit_test(test_link_elsewhere),
        cmocka_unit_test(test_never_quiet),
        cmocka_unit_test(test_free_in_callback),
        cmocka_unit_test(test_exhausted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
