/* SPDX-License-Identifier: Apache-2.0
 *
 * A process with a journal is ended, as by kill -9, at each of the named points in turn, and at random moments; then the power is
 * cut, too: what was not synced is gone (power_lib.c). What the next start
 * finds: everything acknowledged, nothing that was not appended, and a journal that goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/random.h"
#include "test/crash/fault_lib.h"
#include "test/crash/journal_lib.h"
#include "test/crash/power_lib.h"

enum { RANDOM_CRASHES = 20 };

static struct fixture f;
static struct fixture_told *told;
static struct power *power;
static struct random dice = { { 11, 12, 13, 14 } };

/* --- the process that ends --------------------------------------------------------------------------------------- */

static void
fill_and_trim(struct fixture *c, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++) {
        fixture_append_all(c, 20, 1500);
        if (i % 6 == 0)
            poll(NULL, 0, 3); /* for a seal to be due */
    }
    fixture_checkpoint(c, journal_durable(c->journal));
    journal_trim(c->journal, journal_durable(c->journal));
}

/* Comes by all points: disks that fail and cut short, more segments at once than are kept as spare ones. */
static void
live(struct fixture *c)
{
    fault_set(FAULT_PWRITE, "segment-", 6, 3, 0);
    fault_set(FAULT_FDATASYNC, "segment-", 9, 4, EIO); /* some of them in the other thread */
    if (fixture_open(c) || c->is_wrong)
        _exit(2);
    fill_and_trim(c, 2);
    fill_and_trim(c, 2);
    fill_and_trim(c, 18);
    fill_and_trim(c, 4);
    journal_close(&c->journal);
    if (fixture_open(c) || c->is_wrong)
        _exit(3);
    fixture_append_all(c, 5, 0);
    journal_close(&c->journal);
    _exit(c->is_wrong ? 4 : 0);
}

static pid_t
start(const char *point)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct fixture child = f;

        child.loop = loop_new();
        child.told = told;
        child.acknowledged = 0;
        child.lazy_us = 1000;
        child.want_from = 1;
        power_begin(power);
        if (point && !crash_point_arm(point))
            _exit(5);
        live(&child);
    }
    return pid;
}

/* --- and what is found ------------------------------------------------------------------------------------------- */

static void
look(const char *what)
{
    uint64_t acknowledged = atomic_load(&told->acknowledged), appended = atomic_load(&told->appended);
    int error;

    f.want_from = 1;
    error = fixture_open(&f);
    if (error)
        fail_msg("%s: %d: " STR_FMT, what, error, STR_ARG(buf_str(&f.error)));
    if (f.is_wrong || f.last_seen < acknowledged || f.last_seen > appended || f.covers_lsn < atomic_load(&told->covers))
        fail_msg("%s: wrong %d, seen %d to %d, acknowledged %d, appended %d, checkpoint %d of %d", what, f.is_wrong,
            (int)f.from_lsn, (int)f.last_seen, (int)acknowledged, (int)appended, (int)f.covers_lsn,
            (int)atomic_load(&told->covers));
    f.acknowledged = 0;
    fixture_append_all(&f, 3, 0);
    assert_int_equal(f.acknowledged, f.last_seen + 3);
    atomic_store(&told->acknowledged, f.acknowledged);
    atomic_store(&told->appended, f.acknowledged);
    journal_close(&f.journal);
    loop_settle(f.loop);
}

static int
begin(void **state)
{
    told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    power = power_new();
    return told == MAP_FAILED ? -1 : fixture_begin(&f);
}

static int
end(void **state)
{
    munmap(told, sizeof(*told));
    power_free(power);
    return fixture_end(&f);
}

/* Ends at the point; is it come by? */
static bool
end_at(const char *name, unsigned times)
{
    char point[64];
    int status;
    pid_t pid;

    snprintf(point, sizeof(point), "%s:%u", name, times);
    pid = start(point);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail_msg("%s: exit %d", point, WEXITSTATUS(status));
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool
is_of_journal(struct str name)
{
    static const char *const others[] = { "claim.", "owner.", "lane.", "walk.", "rewind.", "schema.", "freeze.",
        "release.", "restore.", "takeover.", "renew." };

    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++) {
        if (str_starts(name, str_from(others[i])))
            return false;
    }
    return true;
}

static void
test_each_point(void **state)
{
    static const struct {
        unsigned times;
        enum power_loss loss;
    } ways[] = { { 1, POWER_STAYS }, { 1, POWER_TAKES_ALL }, { 1, POWER_TAKES_SOME }, { 4, POWER_TAKES_SOME } };

    for (unsigned p = CRASH_NONE + 1; p < CRASH_POINTS; p++) {
        const char *name = crash_point_name(p);

        if (!is_of_journal(str_from(name)))
            continue;
        memset(told, 0, sizeof(*told));
        remove_files(f.dir);
        /* There is a tail to be written again after a batch that nobody was told of. */
        if (str_starts(str_from(name), STR("recovery.")))
            assert_true(end_at("journal.before_sync", 15));
        for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
            bool is_hit = end_at(name, ways[i].times);

            if (i == 0 && !is_hit)
                fail_msg("nothing comes by %s", name);
            power_cut(power, f.dir, &dice, ways[i].loss);
            look(name);
        }
    }
}

static void
test_random_moments(void **state)
{
    memset(told, 0, sizeof(*told));
    remove_files(f.dir);
    for (unsigned i = 0; i < RANDOM_CRASHES; i++) {
        pid_t pid = start(NULL);
        int status;

        poll(NULL, 0, (int)(random_next(&dice) % 60));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status))
            assert_int_equal(WEXITSTATUS(status), 0);
        power_cut(power, f.dir, &dice, (enum power_loss)(random_next(&dice) % 3));
        look("a random moment");
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_point, begin, end),
        cmocka_unit_test_setup_teardown(test_random_moments, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
