/* SPDX-License-Identifier: Apache-2.0
 *
 * Payloads of records as bytes. All begin with a version; then numbers (varint) and texts (their length first) in the order of
 * the functions below; a body is the rest. Points go by shard key and kind, numbers as the distance from the one before:
 *
 *      points      shard keys, then for each with points: its number + 1, n numbers, n UUIDs; 0
 */
#include "proxy/sync/record.h"

#include "proxy/base/varint.h"

enum { VERSION = 1, RESTORE_VERSION = 2, STATUS_MAX = 999, FROZEN_TEXTS = 7 };

/* Operations by name: their numbers change with the table. */
static bool
take_op(struct str *io, enum op_id *ret_op)
{
    struct str name;

    if (!varint_take_str(io, &name))
        return false;
    for (unsigned id = 0; id < OP_COUNT; id++) {
        if (str_eq(name, str_from(op_info((enum op_id)id)->name))) {
            *ret_op = (enum op_id)id;
            return true;
        }
    }
    return false;
}

static bool
take_version(struct str *io)
{
    uint64_t version;

    return varint_take(io, VERSION, &version) && version == VERSION;
}

static bool
take_bool(struct str *io, bool *ret_value)
{
    uint64_t value;

    if (!varint_take(io, 1, &value))
        return false;
    *ret_value = value;
    return true;
}

/* Points. */

/* Those of the shard key of the first one. */
static unsigned
put_group(const struct touch_point *points, unsigned n, struct buf *out)
{
    unsigned end = 0, numbers = 0;
    uint64_t last = 0;

    for (; end < n && points[end].shard_key == points[0].shard_key; end++)
        numbers += !points[end].id.is_uuid;
    varint_put(out, points[0].shard_key + UINT64_C(1));
    varint_put(out, numbers);
    varint_put(out, end - numbers);
    for (unsigned i = 0; i < numbers; i++) {
        varint_put(out, points[i].id.lo - last);
        last = points[i].id.lo;
    }
    for (unsigned i = numbers; i < end; i++) {
        char bytes[16];

        point_put_bytes(&points[i].id, bytes);
        buf_append(out, bytes, sizeof(bytes));
    }
    return end;
}

static void
put_points(const struct record_write *w, struct buf *out)
{
    unsigned n_keys = w->n_shard_keys ? w->n_shard_keys : 1;

    varint_put(out, n_keys - 1);
    for (unsigned i = 1; i < n_keys; i++)
        varint_put_str(out, w->shard_keys[i]);
    varint_put(out, w->n_points);
    for (unsigned i = 0; i < w->n_points;)
        i += put_group(w->points + i, w->n_points - i, out);
    varint_put(out, 0);
}

static bool
take_keys(struct str *io, struct arena *arena, struct record_write *w)
{
    uint64_t n;
    struct str *keys;

    if (!varint_take(io, TOUCH_SHARD_KEYS_MAX, &n))
        return false;
    keys = ARENA_ARRAY(arena, n + 1, struct str);
    for (uint64_t i = 1; i <= n; i++) {
        if (!varint_take_str(io, &keys[i]))
            return false;
    }
    w->shard_keys = keys;
    w->n_shard_keys = (unsigned)n + 1;
    return true;
}

/* Into `points`, which has room for `room`. */
static bool
take_group(struct str *io, unsigned key, struct touch_point *points, unsigned room, unsigned *ret_n)
{
    uint64_t numbers, uuids, step, last = 0;

    if (!varint_take(io, room, &numbers) || !varint_take(io, room - numbers, &uuids))
        return false;
    for (uint64_t i = 0; i < numbers; i++) {
        if (!varint_take(io, UINT64_MAX - last, &step) || (i && step == 0))
            return false;
        last += step;
        points[i] = (struct touch_point){ .id = { 0, last, false }, .shard_key = key };
    }
    if (io->len / 16 < uuids)
        return false;
    for (uint64_t i = 0; i < uuids; i++)
        points[numbers + i] = (struct touch_point){ .id = point_of_bytes(io->p + 16 * i), .shard_key = key };
    *io = str_make(io->p + 16 * uuids, io->len - 16 * uuids);
    *ret_n = (unsigned)(numbers + uuids);
    return *ret_n > 0;
}

static bool
take_points(struct str *io, struct arena *arena, struct record_write *w)
{
    struct touch_point *points;
    uint64_t n, key, last = 0;
    unsigned got = 0, in_group;

    if (!take_keys(io, arena, w) || !varint_take(io, TOUCH_POINTS_MAX, &n))
        return false;
    points = ARENA_ARRAY(arena, n, struct touch_point);
    while (varint_take(io, w->n_shard_keys, &key)) {
        if (key == 0) {
            w->points = points;
            w->n_points = got;
            return got == n;
        }
        if (key <= last || !take_group(io, (unsigned)key - 1, points + got, (unsigned)n - got, &in_group))
            return false;
        last = key;
        got += in_group;
    }
    return false;
}

/* Writes. */

static void
put_copies(const struct str *copies, unsigned n, struct buf *out)
{
    varint_put(out, n);
    for (unsigned i = 0; i < n; i++)
        varint_put_str(out, copies[i]);
}

static bool
take_copies(struct str *io, struct arena *arena, const struct str **ret_copies, unsigned *ret_n)
{
    struct str *copies;
    uint64_t n;

    if (!varint_take(io, RECORD_COPIES_MAX, &n))
        return false;
    *ret_copies = copies = ARENA_ARRAY(arena, n, struct str);
    *ret_n = (unsigned)n;
    for (uint64_t i = 0; i < n; i++) {
        if (!varint_take_str(io, &copies[i]))
            return false;
    }
    return true;
}

void
record_put_write(const struct record_write *w, struct buf *head)
{
    varint_put(head, VERSION);
    varint_put_str(head, w->partition);
    varint_put_str(head, w->home);
    put_copies(w->copies, w->n_copies, head);
    varint_put_str(head, w->collection);
    varint_put_str(head, w->incarnation);
    varint_put_str(head, str_from(op_info(w->op)->name));
    varint_put(head, w->flags);
    put_points(w, head);
    varint_put_str(head, w->query);
    varint_put_str(head, w->content_type);
    varint_put_str(head, w->content_encoding);
    varint_put(head, w->body.len);
}

bool
record_take_write(struct str payload, struct arena *arena, struct record_write *ret_write)
{
    struct record_write w = { .op = OP_UNKNOWN };
    uint64_t flags;

    if (!take_version(&payload) || !varint_take_str(&payload, &w.partition) || !varint_take_str(&payload, &w.home) ||
        !take_copies(&payload, arena, &w.copies, &w.n_copies) || !varint_take_str(&payload, &w.collection) ||
        !varint_take_str(&payload, &w.incarnation) || !take_op(&payload, &w.op) ||
        !varint_take(&payload, TOUCH_PAYLOAD_ONLY | TOUCH_STATE, &flags))
        return false;
    w.flags = (unsigned)flags;
    if (!take_points(&payload, arena, &w) || !varint_take_str(&payload, &w.query) ||
        !varint_take_str(&payload, &w.content_type) || !varint_take_str(&payload, &w.content_encoding) ||
        !varint_take_str(&payload, &w.body) || payload.len)
        return false;
    *ret_write = w;
    return true;
}

/* The others. */

void
record_put_schema(const struct record_schema *s, struct buf *head)
{
    varint_put(head, VERSION);
    varint_put_str(head, s->partition);
    varint_put_str(head, s->home);
    put_copies(s->copies, s->n_copies, head);
    varint_put_str(head, s->collection);
    varint_put_str(head, s->incarnation);
    varint_put_str(head, s->new_incarnation);
    varint_put(head, s->removes);
    varint_put_str(head, str_from(op_info(s->op)->name));
    varint_put_str(head, s->target);
    varint_put_str(head, s->content_type);
    varint_put(head, s->body.len);
}

bool
record_take_schema(struct str payload, struct arena *arena, struct record_schema *ret_schema)
{
    struct record_schema s = { .op = OP_UNKNOWN };

    if (!take_version(&payload) || !varint_take_str(&payload, &s.partition) || !varint_take_str(&payload, &s.home) ||
        !take_copies(&payload, arena, &s.copies, &s.n_copies) || !varint_take_str(&payload, &s.collection) ||
        !varint_take_str(&payload, &s.incarnation) || !varint_take_str(&payload, &s.new_incarnation) ||
        !take_bool(&payload, &s.removes) || !take_op(&payload, &s.op) || !varint_take_str(&payload, &s.target) ||
        !varint_take_str(&payload, &s.content_type) || !varint_take_str(&payload, &s.body) || payload.len)
        return false;
    *ret_schema = s;
    return true;
}

void
record_put_outcome(const struct record_outcome *o, struct buf *out)
{
    varint_put(out, VERSION);
    varint_put(out, o->result);
    varint_put(out, o->status);
}

bool
record_take_outcome(struct str payload, struct record_outcome *ret_outcome)
{
    uint64_t result, status;

    if (!take_version(&payload) || !varint_take(&payload, RECORD_UNKNOWN, &result) ||
        !varint_take(&payload, STATUS_MAX, &status) || payload.len)
        return false;
    *ret_outcome = (struct record_outcome){ (enum record_result)result, (unsigned)status };
    return true;
}

void
record_put_freeze(const struct record_freeze *f, struct buf *out)
{
    varint_put(out, VERSION);
    varint_put_str(out, f->home);
    varint_put_str(out, f->reason);
    varint_put(out, f->is_frozen);
}

bool
record_take_freeze(struct str payload, struct record_freeze *ret_freeze)
{
    struct record_freeze f = { .is_frozen = false };

    if (!take_version(&payload) || !varint_take_str(&payload, &f.home) || !varint_take_str(&payload, &f.reason) ||
        !take_bool(&payload, &f.is_frozen) || payload.len)
        return false;
    *ret_freeze = f;
    return true;
}

void
record_put_frozen(const struct record_frozen *f, struct buf *out)
{
    const struct str texts[FROZEN_TEXTS] = { f->home, f->line, f->partition, f->without, f->reason, f->by,
        f->collections };

    varint_put(out, VERSION);
    for (unsigned i = 0; i < FROZEN_TEXTS; i++)
        varint_put_str(out, texts[i]);
    varint_put(out, f->since_us);
    varint_put(out, f->state);
}

bool
record_take_frozen(struct str payload, struct record_frozen *ret_frozen)
{
    struct record_frozen f = { .state = RECORD_THAWED };
    struct str *texts[FROZEN_TEXTS] = { &f.home, &f.line, &f.partition, &f.without, &f.reason, &f.by, &f.collections };
    uint64_t state;

    if (!take_version(&payload))
        return false;
    for (unsigned i = 0; i < FROZEN_TEXTS; i++) {
        if (!varint_take_str(&payload, texts[i]))
            return false;
    }
    if (!varint_take(&payload, INT64_MAX, &f.since_us) || !varint_take(&payload, RECORD_DRAINED, &state) || payload.len)
        return false;
    f.state = (enum record_freezing)state;
    *ret_frozen = f;
    return true;
}

void
record_put_home(const struct record_home *h, struct buf *out)
{
    varint_put(out, VERSION);
    varint_put_str(out, h->home);
    varint_put(out, h->is_given_up);
}

bool
record_take_home(struct str payload, struct record_home *ret_home)
{
    struct record_home h = { .home = STR_NONE };

    if (!take_version(&payload) || !varint_take_str(&payload, &h.home) || !take_bool(&payload, &h.is_given_up) ||
        payload.len)
        return false;
    *ret_home = h;
    return true;
}

void
record_put_identity(const struct record_identity *i, struct buf *out)
{
    varint_put(out, VERSION);
    varint_put_str(out, i->cluster);
    varint_put_str(out, i->identity);
}

bool
record_take_identity(struct str payload, struct record_identity *ret_identity)
{
    struct record_identity i = { .cluster = STR_NONE };

    if (!take_version(&payload) || !varint_take_str(&payload, &i.cluster) || !varint_take_str(&payload, &i.identity) ||
        payload.len)
        return false;
    *ret_identity = i;
    return true;
}

void
record_put_process(const struct record_process *p, struct buf *out)
{
    varint_put(out, VERSION);
    varint_put_str(out, p->home);
    varint_put_str(out, p->text);
}

bool
record_take_process(struct str payload, struct record_process *ret_process)
{
    struct record_process p = { .home = STR_NONE };

    if (!take_version(&payload) || !varint_take_str(&payload, &p.home) || !varint_take_str(&payload, &p.text) ||
        payload.len)
        return false;
    *ret_process = p;
    return true;
}

void
record_put_restore(const struct record_restore *r, struct buf *out)
{
    varint_put(out, RESTORE_VERSION);
    varint_put_str(out, r->home);
    varint_put_str(out, r->from);
    varint_put(out, r->flags);
}

bool
record_take_restore(struct str payload, struct record_restore *ret_restore)
{
    struct record_restore r = { .home = STR_NONE };
    uint64_t version, flags = 0;

    if (!varint_take(&payload, RESTORE_VERSION, &version) || version < VERSION || !varint_take_str(&payload, &r.home) ||
        !varint_take_str(&payload, &r.from) ||
        (version > VERSION && !varint_take(&payload, RECORD_RESTORE_DELETES | RECORD_RESTORE_OFF, &flags)) ||
        payload.len)
        return false;
    r.flags = (unsigned)flags;
    *ret_restore = r;
    return true;
}

void
record_begin_state(struct buf *out)
{
    varint_put(out, VERSION);
}

void
record_put_state(enum op_id op, struct str body, struct buf *out)
{
    varint_put_str(out, str_from(op_info(op)->name));
    varint_put_str(out, body);
}

bool
record_enter_state(struct str *io)
{
    return take_version(io);
}

bool
record_take_state(struct str *io, enum op_id *ret_op, struct str *ret_body)
{
    return take_op(io, ret_op) && varint_take_str(io, ret_body);
}
