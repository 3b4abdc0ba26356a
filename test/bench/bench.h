/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_BENCH_BENCH_H
#define SEXTANT_TEST_BENCH_BENCH_H

/* The one form of all figures of test/bench, for people and for programs alike, a line each:
 *     NAME MEDIAN UNIT LEAST MOST
 * over BENCH_ROUNDS rounds after one that does not count. Lines that begin with '#' are only for people. What is measured is
 * the time of this thread on a processor: what else runs on the machine moves that little. */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BENCH_ROUNDS = 9 };

static inline double
bench_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What a process ran so far, all its threads together; -1: there is none of that id. */
static inline double
bench_process_s(int pid)
{
    clockid_t clock;

    return clock_getcpuclockid(pid, &clock) == 0 ? bench_ns(clock) / 1e9 : -1;
}

static inline double
bench_cpu_ns(void)
{
    return bench_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* For what is too short for the other one, which is a system call. */
static inline double
bench_wall_ns(void)
{
    return bench_ns(CLOCK_MONOTONIC);
}

static inline int
bench_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts the values. */
static inline void
bench_print(const char *name, const char *unit, double *values, unsigned n)
{
    qsort(values, n, sizeof(*values), bench_order);
    printf("%-32s %10.1f %-5s %10.1f %10.1f\n", name, values[n / 2], unit, values[0], values[n - 1]);
    fflush(stdout);
}

/* What one of n calls costs; fn makes all of them. */
static inline void
bench_time(const char *name, void (*fn)(void *arg, unsigned n), void *arg, unsigned n)
{
    double values[BENCH_ROUNDS], begin;

    for (int round = -1; round < BENCH_ROUNDS; round++) {
        begin = bench_cpu_ns();
        fn(arg, n);
        if (round >= 0)
            values[round] = (bench_cpu_ns() - begin) / n;
    }
    bench_print(name, "ns", values, BENCH_ROUNDS);
}

#endif
