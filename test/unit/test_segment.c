/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a segment in memory: what is believed of them after every way of being torn, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/base/mem.h"
#include "proxy/base/random.h"
#include "proxy/store/segment.h"

enum { BYTES = 32 * 1024, SECTOR = 512, FIRST_LSN = 1000 };

/* A log as its writer made it: batches, each durable before the next begins. */
struct log {
    char bytes[BYTES];
    struct segment_header header;
    size_t at, batch_at; /* end; begin of the last batch */
    uint64_t lsn, durable;
    uint32_t start;
};

static struct log *
log_new(void)
{
    struct log *log = MEM_NEW(struct log);

    log->header = (struct segment_header){ .uuid = { "0123456789abcde" },
        .generation = 7,
        .first_lsn = FIRST_LSN,
        .bytes = BYTES,
        .wall_us = 1,
        .start = 3,
        .stamp = UINT64_C(0x1122334455667788) };
    segment_header_encode(&log->header, log->bytes);
    log->at = log->batch_at = SEGMENT_HEADER_BYTES;
    log->lsn = log->durable = FIRST_LSN - 1;
    log->start = 3;
    return log;
}

static void
put(struct log *log, uint8_t kind, size_t len)
{
    struct record r = {
        .kind = kind, .lsn = kind ? ++log->lsn : log->lsn, .ref = 5, .wall_us = 6, .payload = { NULL, len }
    };
    char *at = log->bytes + log->at;

    assert_true(log->at + record_bytes(len) <= BYTES);
    record_draft(&r, at);
    memset(at + RECORD_HEADER_BYTES, 0, record_bytes(len) - RECORD_HEADER_BYTES);
    for (size_t i = 0; i < len; i++)
        at[RECORD_HEADER_BYTES + i] = (char)(r.lsn + i);
    log->at += record_finish(at, log->durable, log->header.stamp, log->start);
}

static void
batch(struct log *log, unsigned n, size_t len)
{
    log->durable = log->lsn;
    log->batch_at = log->at;
    for (unsigned i = 0; i < n; i++)
        put(log, 9, len + i);
}

static void
seal(struct log *log)
{
    log->durable = log->lsn;
    put(log, RECORD_KIND_SEAL, 0);
}

/* The last LSN that is read; 0 when the segment is refused. */
static uint64_t
read_back(const char *bytes, uint64_t stop_lsn, uint64_t known_lsn, struct segment_scan *ret_scan)
{
    struct segment_scan s = { .bytes = { bytes, BYTES }, .stop_lsn = stop_lsn };
    struct record r;
    size_t at;
    uint64_t want = FIRST_LSN;

    if (segment_header_decode(str_make(bytes, BYTES), &s.header))
        return 0;
    segment_scan_begin(&s);
    for (; segment_next(&s, &r); want++) {
        assert_int_equal(r.lsn, want);
        for (size_t i = 0; i < r.payload.len; i++)
            assert_int_equal(r.payload.p[i], (char)(r.lsn + i));
    }
    *ret_scan = s;
    if (stop_lsn)
        return s.fault == RECORD_OK ? s.lsn : 0;
    return segment_may_end(&s, known_lsn, &r, &at) ? s.lsn : 0;
}

static void
test_header_survives_and_every_bit_of_it_counts(void **state)
{
    struct log *log = log_new();
    struct segment_header h;

    assert_null(segment_header_decode(str_make(log->bytes, BYTES), &h));
    assert_memory_equal(&h, &log->header, sizeof(h));
    for (size_t i = 0; i < SEGMENT_HEADER_BYTES; i++) {
        log->bytes[i] ^= (char)(1 << i % 8);
        assert_non_null(segment_header_decode(str_make(log->bytes, BYTES), &h));
        log->bytes[i] ^= (char)(1 << i % 8);
    }
    assert_non_null(segment_header_decode(str_make(log->bytes, SEGMENT_HEADER_BYTES - 1), &h));
    mem_free(log);
}

static void
test_each_torn_length_keeps_what_was_durable(void **state)
{
    struct log *log = log_new();
    char *torn = mem_alloc(BYTES);
    struct segment_scan s;

    batch(log, 5, 100);
    batch(log, 4, 33);
    for (size_t cut = log->batch_at; cut <= log->at; cut++) {
        uint64_t got;

        memcpy(torn, log->bytes, BYTES);
        for (size_t i = cut; i < log->at; i++)
            torn[i] = (char)(cut % 2 ? ~torn[i] : 0);
        got = read_back(torn, 0, 0, &s);
        assert_in_range(got, FIRST_LSN + 4, FIRST_LSN + 8);
        assert_true(s.at <= cut || cut % 2 == 0); /* zeros may be right */
        assert_int_equal(s.tail_at, s.lsn == FIRST_LSN + 4 ? (size_t)SEGMENT_HEADER_BYTES : log->batch_at);
    }
    mem_free(torn);
    mem_free(log);
}

static void
test_each_bit_in_what_was_durable_is_missed(void **state)
{
    struct log *log = log_new();
    struct segment_scan s;

    batch(log, 3, 41);
    batch(log, 3, 12);
    for (size_t i = SEGMENT_HEADER_BYTES; i < log->batch_at; i++) {
        log->bytes[i] ^= (char)(1 << i % 8);
        assert_int_equal(read_back(log->bytes, 0, 0, &s), 0);
        assert_int_equal(read_back(log->bytes, FIRST_LSN + 3, 0, &s), 0);
        log->bytes[i] ^= (char)(1 << i % 8);
    }
    /* In the last batch, only what is known from elsewhere tells: a checkpoint, a seal, the next segment. */
    log->bytes[log->batch_at + 9] ^= 1;
    assert_int_equal(read_back(log->bytes, 0, 0, &s), FIRST_LSN + 2);
    assert_int_equal(read_back(log->bytes, 0, FIRST_LSN + 2, &s), FIRST_LSN + 2);
    assert_int_equal(read_back(log->bytes, 0, FIRST_LSN + 3, &s), 0);
    assert_int_equal(read_back(log->bytes, FIRST_LSN + 6, 0, &s), 0);
    assert_int_equal(read_back(log->bytes, FIRST_LSN + 3, 0, &s), FIRST_LSN + 2);
    seal(log);
    assert_int_equal(read_back(log->bytes, 0, 0, &s), 0);
    log->bytes[log->batch_at + 9] ^= 1;
    batch(log, 1, 20); /* and a seal that is damaged is missed when something follows it */
    log->bytes[log->batch_at - 30] ^= 1;
    assert_int_equal(read_back(log->bytes, 0, 0, &s), 0);
    log->bytes[log->batch_at - 30] ^= 1;
    log->at = log->batch_at;
    memset(log->bytes + log->at, 0, BYTES - log->at);
    assert_int_equal(read_back(log->bytes, 0, 0, &s), FIRST_LSN + 5);
    assert_int_equal(s.tail_at, log->at);
    mem_free(log);
}

static void
test_what_a_start_gave_up_stays_given_up(void **state)
{
    struct log *log = log_new();
    struct segment_scan s;
    size_t torn_at;

    batch(log, 2, 40);
    batch(log, 3, 64);
    torn_at = log->batch_at;
    log->bytes[torn_at + 70] ^= 1; /* the first of three was torn, the others are whole */
    assert_int_equal(read_back(log->bytes, 0, 0, &s), FIRST_LSN + 1);

    /* The next start writes its own in that place, of the same length. */
    log->at = torn_at;
    log->lsn = log->durable = FIRST_LSN + 1;
    log->start++;
    put(log, 9, 64);
    assert_int_equal(read_back(log->bytes, 0, 0, &s), FIRST_LSN + 2);
    assert_int_equal(s.fault, RECORD_OLD);
    mem_free(log);
}

static void
test_another_use_of_the_file_is_not_believed(void **state)
{
    struct log *log = log_new();
    struct segment_scan s;

    batch(log, 6, 64);
    log->header.stamp++;
    log->header.generation++;
    segment_header_encode(&log->header, log->bytes);
    assert_int_equal(read_back(log->bytes, 0, 0, &s), FIRST_LSN - 1);
    log->at = SEGMENT_HEADER_BYTES;
    log->lsn = log->durable = FIRST_LSN - 1;
    put(log, 9, 64);
    assert_int_equal(read_back(log->bytes, 0, 0, &s), FIRST_LSN);
    mem_free(log);
}

static void
test_a_segment_that_goes_on_is_not_the_last(void **state)
{
    struct log *log = log_new();
    struct record r = { .kind = RECORD_KIND_SEAL, .flags = RECORD_FLAG_GOES_ON };
    struct segment_scan s;

    batch(log, 2, 10);
    r.lsn = log->durable = log->lsn;
    record_draft(&r, log->bytes + log->at);
    log->at += record_finish(log->bytes + log->at, log->durable, log->header.stamp, log->start);
    assert_int_equal(read_back(log->bytes, FIRST_LSN + 2, 0, &s), FIRST_LSN + 1);
    assert_int_equal(read_back(log->bytes, 0, 0, &s), 0);
    mem_free(log);
}

/* What a disk may leave of a batch that was not synced: any of its sectors, in any state between old and new. */
static void
lose_sectors(struct random *random, const char *before, const char *after, size_t from, size_t to, char *out)
{
    memcpy(out, after, BYTES);
    for (size_t sector = from / SECTOR * SECTOR; sector < to; sector += SECTOR)
        if (random_next(random) % 2)
            memcpy(out + sector, before + sector, SECTOR);
}

static void
test_random_crashes(void **state)
{
    char *before = mem_alloc(BYTES), *out = mem_alloc(BYTES);
    struct random random = { { 1, 2, 3, 4 } };
    unsigned n_refused = 0;
    struct segment_scan s;

    for (unsigned round = 0; round < 1500; round++) {
        struct log *log = log_new();

        for (unsigned life = 0; life < 4; life++) {
            uint64_t acknowledged, got;

            for (unsigned n = (unsigned)(random_next(&random) % 3); n > 0; n--)
                batch(log, 1 + random_next(&random) % 3, random_next(&random) % 400);
            acknowledged = log->lsn;
            memcpy(before, log->bytes, BYTES);
            batch(log, 1 + random_next(&random) % 5, random_next(&random) % 700);
            lose_sectors(&random, before, log->bytes, log->batch_at, log->at, out);
            got = read_back(out, 0, 0, &s);
            assert_in_range(got, acknowledged, log->lsn);
            assert_int_equal(read_back(out, 0, got, &s), got);
            /* One flipped bit takes none of the records that were proven durable. */
            if (s.tail_at > SEGMENT_HEADER_BYTES) {
                size_t at = SEGMENT_HEADER_BYTES + random_next(&random) % (s.tail_at - SEGMENT_HEADER_BYTES);
                struct segment_scan flipped;

                out[at] ^= 1;
                got = read_back(out, 0, 0, &flipped);
                assert_true(got == 0 || got >= s.durable_lsn);
                n_refused += got == 0;
                out[at] ^= 1;
            }
            /* The next start goes on behind what it read, with a seal. */
            memcpy(log->bytes, out, BYTES);
            log->lsn = s.lsn;
            log->at = s.at;
            log->start++;
            seal(log);
        }
        mem_free(log);
    }
    assert_true(n_refused > 3000);
    mem_free(before);
    mem_free(out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_survives_and_every_bit_of_it_counts),
        cmocka_unit_test(test_each_torn_length_keeps_what_was_durable),
        cmocka_unit_test(test_each_bit_in_what_was_durable_is_missed),
        cmocka_unit_test(test_what_a_start_gave_up_stays_given_up),
        cmocka_unit_test(test_another_use_of_the_file_is_not_believed),
        cmocka_unit_test(test_a_segment_that_goes_on_is_not_the_last),
        cmocka_unit_test(test_random_crashes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
