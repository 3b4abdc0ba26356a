/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_MARKS_FIXTURE_H
#define SEXTANT_TEST_UNIT_MARKS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/base/mem.h"
#include "proxy/sync/marks.h"

static const struct hash_key hash_key = { 1, 2 };
static const int64_t day_us = INT64_C(1800000000000000), second_us = 1000000;

static inline struct mark_key
key_of(uint64_t number)
{
    return (struct mark_key){ 1, 0, { 0, number, false } };
}

static inline struct mark_age
age_of(uint64_t lsn)
{
    return (struct mark_age){ lsn, day_us + (int64_t)lsn * 1000 };
}

static inline struct marks *
marks(void)
{
    return marks_new((size_t)1 << 30, &hash_key);
}

static inline void
set(struct marks *m, uint64_t number, uint64_t lsn, bool payload_only)
{
    struct mark_key key = key_of(number);

    assert_true(marks_set(m, &key, age_of(lsn), payload_only));
}

static inline struct mark_pick
pick_one(struct marks *m, uint64_t number)
{
    struct mark_pick pick = { .number = 0 };

    assert_int_equal(marks_pick(m, 1, &pick), 1);
    assert_int_equal(pick.key.point.lo, number);
    return pick;
}

static inline void
expect(const struct marks *m, uint64_t number, enum mark_state state, uint64_t lsn, bool payload_only)
{
    struct mark_key key = key_of(number);
    struct mark_view view;

    assert_true(marks_get(m, &key, &view));
    assert_int_equal(view.state, state);
    assert_int_equal(view.age.lsn, lsn);
    assert_int_equal(view.age.wall_us, age_of(lsn).wall_us);
    assert_int_equal(view.payload_only, payload_only);
}

static inline bool
land(struct marks *m, const struct mark_pick *pick, uint64_t pending)
{
    struct mark_age age = age_of(pending);

    return marks_shipped(m, &pick->key, pick->number, pending ? &age : NULL, 0);
}

static inline void
expect_oldest(const struct marks *m, unsigned states, uint64_t lsn)
{
    struct mark_age age = { 0, 0 };

    assert_int_equal(marks_oldest(m, states, &age), lsn != 0);
    assert_int_equal(age.lsn, lsn);
}

#endif
