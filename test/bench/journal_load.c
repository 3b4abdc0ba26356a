/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal by itself: see journal_load.h. With checkpoints and trimming, as its owner does.
 */
#include <poll.h>

#include "test/bench/journal_load.h"
#include "proxy/store/journal.h"

enum { COMMITS_A_CHECKPOINT = 200, SEGMENTS_FIRST = 6 };

static struct loop *loop;
static struct journal *journal;
static uint64_t waits_for;

static void use_it(void);

static void
on_done(uint64_t lsn, int error, void *arg)
{
    assert(!error);
    if (lsn == waits_for)
        loop_stop(loop);
}

static void
log_open(const char *dir)
{
    struct journal_options o = {
        .dir = dir, .quota_bytes = (uint64_t)1 << 30, .loop = loop = loop_new(), .may_make = true
    };
    struct journal_recovery nobody = { NULL, NULL, NULL };
    struct buf error = { 0 };

    if (journal_open(&o, &nobody, &journal, &error)) {
        fprintf(stderr, STR_FMT "\n", STR_ARG(buf_str(&error)));
        exit(1);
    }
    use_it();
}

static void
trim(void)
{
    journal_checkpoint(journal, journal_durable(journal), STR("a few marks"), NULL, NULL);
    journal_trim(journal, journal_durable(journal));
}

/* As a journal is that has been in use: its files are there, and used again. */
static void
use_it(void)
{
    static char large[1 << 18];
    struct str part = { large, sizeof(large) };
    struct journal_stats stats;
    uint64_t before, files = 0;

    for (unsigned i = 0; i < SEGMENTS_FIRST; i++) {
        for (unsigned n = (unsigned)(JOURNAL_SEGMENT_BYTES / sizeof(large)); n > 0; n--)
            waits_for = journal_append(journal, 1, 0, n > 1, &part, 1, n > 1 ? NULL : on_done, NULL);
        loop_run(loop);
        trim();
    }
    trim();
    /* Until the other thread has long had nothing to do. */
    for (unsigned quiet = 0; quiet < 5; quiet++) {
        poll(NULL, 0, 200);
        before = files;
        journal_stats(journal, &stats);
        files = stats.file_bytes;
        if (stats.spares < 2 || stats.checkpoints <= SEGMENTS_FIRST || files != before)
            quiet = 0;
    }
}

static void
log_commit(const char *record, unsigned n)
{
    static unsigned commits;
    static char mine[RECORD_BYTES];
    struct str part = { mine, sizeof(mine) };

    memcpy(mine + 8, record + 8, sizeof(mine) - 8);
    while (n-- > 0) {
        count_up(mine);
        waits_for = journal_append(journal, 1, 0, n > 0, &part, 1, n ? NULL : on_done, NULL);
    }
    loop_run(loop);
    if (++commits % COMMITS_A_CHECKPOINT == 0)
        trim();
}

static void
log_close(void)
{
    journal_close(&journal);
    loop_settle(loop);
    loop_free(loop);
}

int
main(int argc, char **argv)
{
    return journal_load(argc, argv);
}
