/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks as bytes of a checkpoint: a head, marks, an end. Numbers are LEB128, UUIDs 16 bytes. Whoever keeps the bytes guards
 * them with a checksum; here is only checked that they can be read, and that nothing of them is taken twice as less.
 *
 *      head    version (1), floor: lsn, ms
 *      mark    1 + kind of id, collection, shard key, id, lsn, ms, state, reason or second, flags, again
 *      end     0
 */
#include "proxy/sync/marks_impl.h"

#include <assert.h>

#include "proxy/base/varint.h"

enum { VERSION = 1, TAG_END = 0, TAG_NUMBER = 1, TAG_UUID = 2 };
enum { FLAG_PAYLOAD_ONLY = 1, FLAG_URGENT = 2, FLAG_SHIPPED = 4, FLAGS = 7 };

/* What flies has landed nowhere, and what waits for an outcome asks for it again, once the process has started anew. */
static enum mark_state
saved_state(const struct slot *s)
{
    return s->state == MARK_FLYING || s->state == MARK_DELAYED ? MARK_READY : s->state;
}

static unsigned
saved_flags(const struct marks *m, const struct slot *s)
{
    const struct flight *f = s->state == MARK_FLYING ? &m->flights[s->pos] : NULL;
    bool payload_only = s->payload_only && (!f || !f->is_changed || f->since_payload_only);

    return (payload_only ? FLAG_PAYLOAD_ONLY : 0) | (s->urgent ? FLAG_URGENT : 0) | (s->was_shipped ? FLAG_SHIPPED : 0);
}

static void
save_point(uint64_t hi, const struct slot *s, struct buf *out)
{
    struct point_id id = { hi, s->lo, s->is_uuid };

    if (!s->is_uuid) {
        varint_put(out, s->lo);
        return;
    }
    point_put_bytes(&id, buf_reserve(out, 16));
    buf_commit(out, 16);
}

void
save_mark(const struct marks *m, uint32_t at, struct buf *out)
{
    const struct slot *s = &m->slots[at];
    const struct group *g = m->groups[s->group];

    varint_put(out, s->is_uuid ? TAG_UUID : TAG_NUMBER);
    varint_put(out, g->key.collection);
    varint_put(out, g->key.shard_key);
    save_point(s->is_uuid ? m->hi[at] : 0, s, out);
    varint_put(out, s->lsn);
    varint_put(out, s->time_ms);
    varint_put(out, saved_state(s));
    varint_put(out, s->state == MARK_PARKED ? s->byte : 0);
    varint_put(out, saved_flags(m, s));
    varint_put(out, s->again ? s->again : s->is_tainted);
}

void
marks_save_start(struct marks *m)
{
    assert(!m->save.is_active);
    m->save.is_active = true;
    m->save.at = 0;
}

void
marks_save_cancel(struct marks *m)
{
    m->save.is_active = false;
    buf_clear(&m->save.moved);
}

bool
marks_save_put(struct marks *m, unsigned max, struct buf *out)
{
    assert(m->save.is_active);
    if (!m->save.has_head) {
        varint_put(out, VERSION);
        varint_put(out, m->has_floor);
        varint_put(out, m->floor[1].lsn);
        varint_put(out, mark_ms(m->floor[1].wall_us));
    }
    m->save.has_head = true;
    for (; max > 0 && m->save.at < m->n; max--)
        save_mark(m, m->save.at++, out);
    buf_add(out, buf_str(&m->save.moved));
    buf_clear(&m->save.moved);
    if (m->save.at < m->n)
        return true;
    varint_put(out, TAG_END);
    m->save.is_active = m->save.has_head = false;
    return false;
}

/* Loading. */

struct loaded {
    struct mark_key key;
    uint64_t lsn, time_ms, state, reason, flags, again;
};

static bool
take_point(struct str *io, bool is_uuid, struct point_id *ret_point)
{
    *ret_point = (struct point_id){ .is_uuid = is_uuid };
    if (!is_uuid)
        return varint_take(io, UINT64_MAX, &ret_point->lo);
    if (io->len < 16)
        return false;
    *ret_point = point_of_bytes(io->p);
    *io = str_make(io->p + 16, io->len - 16);
    return true;
}

static bool
take_mark(struct str *io, bool is_uuid, struct loaded *ret)
{
    uint64_t collection, shard_key;
    bool is_whole = varint_take(io, UINT32_MAX, &collection) && varint_take(io, UINT32_MAX, &shard_key) &&
                    take_point(io, is_uuid, &ret->key.point) && varint_take(io, MARKS_LSN_MAX, &ret->lsn) &&
                    varint_take(io, MARKS_MS_MAX, &ret->time_ms) && varint_take(io, MARK_SETTLED, &ret->state) &&
                    varint_take(io, UINT8_MAX, &ret->reason) && varint_take(io, FLAGS, &ret->flags) &&
                    varint_take(io, UINT8_MAX, &ret->again);

    if (!is_whole)
        return false;
    if (ret->again > AGAIN_MAX)
        ret->again = AGAIN_MAX;
    ret->key.collection = (uint32_t)collection;
    ret->key.shard_key = (uint32_t)shard_key;
    switch (ret->state) {
    case MARK_WAITING:
        return ret->again > 0;
    case MARK_SETTLED:
        return ret->again == 0;
    default:
        return ret->state == MARK_READY || ret->state == MARK_PARKED;
    }
}

/* Written twice because it was moved meanwhile, and changed in between: whatever one of the two has open is open. */
static void
load_again(struct marks *m, uint32_t at, const struct loaded *l)
{
    struct slot *s = &m->slots[at];

    if (l->lsn < s->lsn)
        table_set_age(m, at, l->lsn, l->time_ms);
    s->payload_only &= l->flags & FLAG_PAYLOAD_ONLY;
    s->was_shipped = true;
    s->again = l->again > s->again ? l->again : s->again;
    if (s->state != l->state || s->again)
        table_move(m, at, MARK_READY);
}

static bool
load_mark(struct marks *m, const struct loaded *l, int64_t mono_us)
{
    bool is_new;
    uint32_t at = table_get(m, &l->key, &is_new);
    struct slot *s;

    if (at == NO_SLOT)
        return false;
    if (!is_new) {
        load_again(m, at, l);
        return true;
    }
    s = &m->slots[at];
    s->payload_only = (l->flags & FLAG_PAYLOAD_ONLY) != 0;
    s->was_shipped = (l->flags & FLAG_SHIPPED) != 0;
    s->again = l->again;
    s->byte = l->state == MARK_SETTLED ? mark_second(mono_us) : (uint8_t)l->reason;
    table_set_age(m, at, l->lsn, l->time_ms);
    if (l->flags & FLAG_URGENT)
        table_set_urgent(m, at);
    if (l->state != MARK_READY)
        table_move(m, at, (enum mark_state)l->state);
    if (l->lsn > m->newest.lsn)
        m->newest = mark_age_of(l->lsn, l->time_ms);
    return true;
}

static bool
load_head(struct marks *m, struct str *io)
{
    uint64_t version, has_floor, lsn, ms;

    if (!varint_take(io, VERSION, &version) || version != VERSION || !varint_take(io, 1, &has_floor) ||
        !varint_take(io, MARKS_LSN_MAX, &lsn) || !varint_take(io, MARKS_MS_MAX, &ms))
        return false;
    m->has_floor = has_floor;
    m->floor[0] = m->floor[1] = mark_age_of(lsn, ms);
    return true;
}

enum marks_load
marks_load(struct marks *m, struct str *io, int64_t mono_us)
{
    struct loaded loaded;
    uint64_t tag;

    assert(m->n == 0);
    if (!load_head(m, io))
        return MARKS_DAMAGED;
    for (;;) {
        if (!varint_take(io, TAG_UUID, &tag))
            return MARKS_DAMAGED;
        if (tag == TAG_END)
            return MARKS_LOADED;
        if (!take_mark(io, tag == TAG_UUID, &loaded))
            return MARKS_DAMAGED;
        if (!load_mark(m, &loaded, mono_us))
            return MARKS_TOO_MANY;
    }
}

/* --- one point as bytes --------------------------------------------------------------------------------------------- */

void
mark_key_put(struct buf *out, const struct mark_key *key)
{
    char bytes[16];

    varint_put(out, key->collection);
    varint_put(out, key->shard_key);
    varint_put(out, key->point.is_uuid);
    if (!key->point.is_uuid) {
        varint_put(out, key->point.lo);
        return;
    }
    point_put_bytes(&key->point, bytes);
    buf_append(out, bytes, sizeof(bytes));
}

bool
mark_key_take(struct str *in, struct mark_key *ret_key)
{
    uint64_t collection, shard_key, is_uuid;

    if (!varint_take(in, UINT32_MAX, &collection) || !varint_take(in, UINT32_MAX, &shard_key) ||
        !varint_take(in, 1, &is_uuid))
        return false;
    *ret_key = (struct mark_key){ .collection = (uint32_t)collection, .shard_key = (uint32_t)shard_key };
    if (!is_uuid)
        return varint_take(in, UINT64_MAX, &ret_key->point.lo);
    if (in->len < 16)
        return false;
    ret_key->point = point_of_bytes(in->p);
    *in = str_skip(*in, 16);
    return true;
}
