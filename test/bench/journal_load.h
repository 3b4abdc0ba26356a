/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_BENCH_JOURNAL_LOAD_H
#define SEXTANT_TEST_BENCH_JOURNAL_LOAD_H

/* The same work for each log: records of 4 KiB, so many a commit, one commit after another, each durable before the next begins.
 *
 *     PROGRAM DIR RECORDS SECONDS
 *
 * prints one line of JSON: records a second, and how long a commit took. Included by one program for each log, which has
 * log_open(), log_commit() and log_close(). */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "test/bench/bench.h"

enum { RECORD_BYTES = 4096, COMMITS_MAX = 1 << 20, WARM_UP_COMMITS = 50 };

static void log_open(const char *dir);
static void log_commit(const char *record, unsigned n); /* the first eight bytes of it count up */
static void log_close(void);

static inline void
count_up(char *record)
{
    uint64_t n;

    memcpy(&n, record, sizeof(n));
    n++;
    memcpy(record, &n, sizeof(n));
}

static int
journal_load(int argc, char **argv)
{
    static char record[RECORD_BYTES];
    double *took = calloc(COMMITS_MAX, sizeof(*took)), begin, at;
    unsigned per_commit, n = 0;
    double seconds;

    if (argc != 4 || !took)
        return 2;
    per_commit = (unsigned)strtoul(argv[2], NULL, 10);
    seconds = strtod(argv[3], NULL);
    for (unsigned i = 8; i < sizeof(record); i++)
        record[i] = (char)(i * 2654435761U >> 11); /* nothing that could be compressed to nothing */
    log_open(argv[1]);
    for (unsigned i = 0; i < WARM_UP_COMMITS; i++)
        log_commit(record, per_commit);
    begin = bench_wall_ns();
    for (at = begin; n < COMMITS_MAX && at - begin < seconds * 1e9; n++) {
        double before = at;

        log_commit(record, per_commit);
        at = bench_wall_ns();
        took[n] = at - before;
    }
    log_close();
    qsort(took, n, sizeof(*took), bench_order);
    printf("{\"records_per_s\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"commits\": %u}\n",
        n * per_commit / ((at - begin) / 1e9), took[n / 2] / 1e3, took[n - 1 - n / 100] / 1e3, n);
    free(took);
    return 0;
}

#endif
