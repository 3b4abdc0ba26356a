/* SPDX-License-Identifier: Apache-2.0
 *
 * Payloads of the journal's records, and marks of a checkpoint. The first byte picks the kind. What can be read has one form:
 * written again it is the same bytes; marks, which have several, are the same marks.
 */
#include <assert.h>
#include <stddef.h>

#include "proxy/sync/marks.h"
#include "proxy/sync/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_write(struct str payload, struct arena *arena, struct buf *out)
{
    struct record_write w;

    if (!record_take_write(payload, arena, &w))
        return;
    record_put_write(&w, out);
    buf_add(out, w.body);
    assert(str_eq(buf_str(out), payload));
}

static void
check_schema(struct str payload, struct buf *out)
{
    struct record_schema s;
    struct arena arena = { 0 };

    if (record_take_schema(payload, &arena, &s)) {
        record_put_schema(&s, out);
        buf_add(out, s.body);
        assert(str_eq(buf_str(out), payload));
    }
    arena_fini(&arena);
}

static void
check_small(unsigned kind, struct str payload, struct buf *out)
{
    struct record_outcome o;
    struct record_freeze f;
    struct record_identity i;
    struct record_restore r;

    if (kind == RECORD_OUTCOME && record_take_outcome(payload, &o))
        record_put_outcome(&o, out);
    else if (kind == RECORD_FREEZE && record_take_freeze(payload, &f))
        record_put_freeze(&f, out);
    else if (kind == RECORD_IDENTITY && record_take_identity(payload, &i))
        record_put_identity(&i, out);
    else if (kind == RECORD_RESTORE && payload.len && payload.p[0] != 1 && record_take_restore(payload, &r))
        record_put_restore(&r, out); /* what the first version wrote is another text */
    else
        return;
    assert(str_eq(buf_str(out), payload));
}

static struct marks *
loaded(struct str bytes)
{
    static const struct hash_key key = { 1, 2 };
    struct marks *m = marks_new(1 << 20, &key);

    if (marks_load(m, &bytes, 0) == MARKS_LOADED)
        return m;
    marks_free(m);
    return NULL;
}

static void
check_marks(struct str bytes, struct buf *out)
{
    struct marks *m = loaded(bytes), *again;
    struct mark_view view, other;
    uint32_t at = 0;

    if (!m)
        return;
    marks_save_start(m);
    while (marks_save_put(m, 3, out))
        ;
    again = loaded(buf_str(out));
    assert(again);
    while (marks_next(m, &at, &view)) {
        assert(marks_get(again, &view.key, &other));
        assert(other.state == view.state && other.age.lsn == view.age.lsn && other.again == view.again);
        assert(other.payload_only == view.payload_only && other.reason == view.reason);
    }
    for (unsigned state = 0; state < MARK_STATES; state++)
        assert(marks_count(m, (enum mark_state)state) == marks_count(again, (enum mark_state)state));
    marks_revive(m);
    marks_again_all(m);
    marks_settle(m, 1000000000);
    marks_free(again);
    marks_free(m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str payload = str_make((const char *)data + 1, size ? size - 1 : 0);
    struct arena arena = { 0 };
    struct buf out = { 0 };

    if (size == 0)
        return 0;
    if (data[0] % 8 == 0)
        check_marks(payload, &out);
    else if (data[0] % 8 == RECORD_WRITE)
        check_write(payload, &arena, &out);
    else if (data[0] % 8 == RECORD_SCHEMA)
        check_schema(payload, &out);
    else
        check_small(data[0] % 8, payload, &out);
    buf_fini(&out);
    arena_fini(&arena);
    return 0;
}
