/* SPDX-License-Identifier: Apache-2.0
 *
 * What the marks of points with numeric ids take in memory, over lanes of different sizes: a figure, see bench.h.
 */
#include "proxy/sync/marks.h"
#include "test/bench/bench.h"

enum { MARKS = 2000000 };

int
main(void)
{
    static const struct hash_key key = { 1, 2 };
    double values[BENCH_ROUNDS];

    for (unsigned round = 0; round < BENCH_ROUNDS; round++) {
        struct marks *m = marks_new(SIZE_MAX, &key);
        unsigned n = MARKS / (round + 1);

        for (unsigned i = 0; i < n; i++) {
            struct mark_key point = { .collection = 1, .point = { .lo = i * UINT64_C(7919) } };

            if (!marks_set(m, &point, (struct mark_age){ i + 1, i }, false))
                return 1;
        }
        values[round] = (double)marks_memory(m) / n;
        marks_free(m);
    }
    bench_print("marks.bytes", "B", values, BENCH_ROUNDS);
    return 0;
}
