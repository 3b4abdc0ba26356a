/* SPDX-License-Identifier: Apache-2.0
 *
 * What a start learns from the journal, and the checkpoints that keep that short (fanout.md §5, rule 6: a restart knows nothing).
 *
 * 1. A checkpoint covers every record whose points are in its marks. All later ones are read again: their points are marked.
 * 2. A write without a definite outcome is held, as one whose answer was lost.
 * 3. Every mark may have been in the air: lanes are tainted until the end of a quarantine, then all of them are sent again.
 *
 * A checkpoint:   version, collections, shard keys, identities, homes {name, floor, lanes {copy, marks, walk, whether settled ones were dropped and data are lacking}, open writes {lsn, time, lanes, timeout, points}, processes, schemas, restored from {copy, flags; whether its data are lost}, frozen}
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/rule_off.h"
#include "proxy/base/varint.h"
#include "proxy/obs/log.h"
#include "proxy/sync/lane_walk.h"
#include "proxy/sync/owner_impl.h"
#include "proxy/sync/record.h"

#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

enum { CHECKPOINT_FORMAT = 9 };

struct open { /* a write whose outcome was not read yet */
    uint64_t lsn;
    struct home *home;
    struct mark_key *points;
    unsigned n_points;
    struct mark_age age;
    uint64_t lanes;
    int64_t timeout_us;
    UT_hash_handle hh;
};

struct recovery {
    struct owner *owner;
    struct open *opens;
    struct arena arena; /* of one record */
    uint64_t records;
    bool is_checkpoint_bad;
    uint64_t bad_lsn; /* 0: none */
};

/* --- open writes ------------------------------------------------------------------------------------------------- */

/* Takes over the points. One that was not durable yet when the checkpoint was made is there already. */
static void
open_add(struct recovery *r, const struct open *given)
{
    struct open *open;

    HASH_FIND(hh, r->opens, &given->lsn, sizeof(given->lsn), open);
    if (open) {
        mem_free(given->points);
        return;
    }
    open = MEM_NEW(struct open);
    *open = *given;
    HASH_ADD(hh, r->opens, lsn, sizeof(open->lsn), open);
}

static void
open_remove(struct recovery *r, struct open *open)
{
    HASH_DEL(r->opens, open);
    mem_free(open->points);
    mem_free(open);
}

/* --- writing a checkpoint ---------------------------------------------------------------------------------------- */

struct open_writer {
    struct buf bytes;
    uint32_t n;
};

static void
put_open(void *arg, const struct open_write *open)
{
    struct open_writer *w = arg;

    w->n++;
    varint_put(&w->bytes, open->age.lsn);
    varint_put(&w->bytes, (uint64_t)open->age.wall_us);
    varint_put(&w->bytes, open->lanes);
    varint_put(&w->bytes, (uint64_t)open->timeout_us);
    varint_put(&w->bytes, open->n_points);
    for (unsigned i = 0; i < open->n_points; i++)
        mark_key_put(&w->bytes, &open->points[i]);
}

/* In the order of their bits. */
static struct lane *
lane_at(struct home *h, unsigned index)
{
    struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        if (l->index == index)
            return l;
    }
    return NULL;
}

static void
put_home(struct home *h, struct buf *out)
{
    struct open_writer opens = { 0 };

    varint_put_str(out, str_from(h->name));
    varint_put(out, h->floor_lsn);
    varint_put(out, h->n_lanes);
    for (unsigned i = 0; i < h->n_lanes; i++)
        lane_save(lane_at(h, i), out);
    home_each_open(h, put_open, &opens);
    varint_put(out, opens.n);
    buf_add(out, buf_str(&opens.bytes));
    buf_fini(&opens.bytes);
    watch_put(h, out);
    home_put_schemas(h, out);
    restore_put(h, out);
    home_put_frozen(h, out);
}

static void
on_saved(int error, void *arg)
{
    struct owner *o = arg;

    o->is_saving = false;
    o->n_saves += error == 0;
    crash_point(CRASH_AT_OWNER_SAVED);
    if (error)
        log_error("journal: a checkpoint could not be written: %s", strerrordesc_np(-error));
    owner_saved_errands(o, error);
    if (error || !o->journal) /* from within its closing */
        return;
    journal_trim(o->journal, owner_needed_lsn(o));
    owner_each_lane(o, lane_leave_note);
}

void
owner_save(struct owner *o)
{
    struct buf bytes = { 0 };
    struct home *h;
    uint32_t n = 0;

    if (o->is_saving || (o->marked_lsn == o->saved_lsn && !o->is_save_due) || o->is_ending)
        return;
    crash_point(CRASH_AT_OWNER_SAVE_BEGUN);
    varint_put(&bytes, CHECKPOINT_FORMAT);
    lexicon_encode(o->collections, &bytes);
    lexicon_encode(o->shard_keys, &bytes);
    varint_put(&bytes, o->known.n);
    for (unsigned i = 0; i < o->known.n; i++) {
        varint_put_str(&bytes, str_from(o->known.rows[i].name));
        varint_put_str(&bytes, str_from(o->known.rows[i].identity));
    }
    LIST_FOREACH (h, &o->homes, entry)
        n++;
    varint_put(&bytes, n);
    LIST_FOREACH (h, &o->homes, entry)
        put_home(h, &bytes);
    o->is_saving = true;
    o->is_save_due = false;
    o->saved_us = owner_now_us(o);
    o->saved_lsn = o->marked_lsn;
    journal_checkpoint(o->journal, o->saved_lsn, buf_str(&bytes), on_saved, o);
    crash_point(CRASH_AT_OWNER_SAVE_HANDED_OVER);
    buf_fini(&bytes);
}

/* --- reading one ------------------------------------------------------------------------------------------------- */

static bool
take_open(struct recovery *r, struct home *h, struct str *in)
{
    struct open open = { .home = h };
    uint64_t wall_us, timeout_us, n;

    if (!varint_take(in, UINT64_MAX, &open.lsn) || !varint_take(in, INT64_MAX, &wall_us) ||
        !varint_take(in, UINT64_MAX, &open.lanes) || !varint_take(in, INT64_MAX / 4, &timeout_us) ||
        !varint_take(in, in->len, &n))
        return false;
    open.age = (struct mark_age){ open.lsn, (int64_t)wall_us };
    open.timeout_us = (int64_t)timeout_us;
    open.n_points = (unsigned)n;
    open.points = mem_array(n ? n : 1, sizeof(*open.points));
    for (unsigned i = 0; i < open.n_points; i++) {
        if (!mark_key_take(in, &open.points[i])) {
            mem_free(open.points);
            return false;
        }
    }
    open_add(r, &open);
    return true;
}

static bool
take_home(struct recovery *r, struct str *in, uint64_t format)
{
    struct str name;
    uint64_t floor_lsn, n;
    struct home *h;

    if (!varint_take_str(in, &name) || !varint_take(in, UINT64_MAX, &floor_lsn) || !varint_take(in, LANES_MAX, &n))
        return false;
    h = owner_add_home(r->owner, name);
    h->floor_lsn = floor_lsn;
    for (uint64_t i = 0; i < n; i++) {
        if (!lane_load(h, in, format))
            return false;
    }
    if (!varint_take(in, UINT32_MAX, &n))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!take_open(r, h, in))
            return false;
    }
    if (format < 5 && owner_identity(r->owner, h->name)[0])
        h->claims = HOME_CLAIMED;
    return watch_take(h, in) && (format < 4 || home_take_schemas(h, in)) &&
           (format < 5 || (restore_take(h, in, format) && home_take_frozen(h, in)));
}

static bool
take_identities(struct owner *o, struct str *in)
{
    struct str cluster, identity;
    uint64_t n;

    if (!varint_take(in, CLUSTERS_MAX, &n))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!varint_take_str(in, &cluster) || !varint_take_str(in, &identity) ||
            !owner_learn_identity(o, cluster, identity))
            return false;
    }
    return true;
}

static bool
take_all(struct recovery *r, struct str in)
{
    struct owner *o = r->owner;
    uint64_t format, n;

    if (!varint_take(&in, CHECKPOINT_FORMAT, &format) || format < 3 || !lexicon_decode(o->collections, &in) ||
        !lexicon_decode(o->shard_keys, &in) || !take_identities(o, &in) || !varint_take(&in, CLUSTERS_MAX, &n))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!take_home(r, &in, format))
            return false;
    }
    return in.len == 0;
}

static uint64_t
on_checkpoint(uint64_t covers_lsn, struct str bytes, void *arg)
{
    struct recovery *r = arg;

    r->owner->marked_lsn = r->owner->saved_lsn = covers_lsn;
    r->is_checkpoint_bad = bytes.len && !take_all(r, bytes);
    return covers_lsn + 1;
}

/* --- reading records --------------------------------------------------------------------------------------------- */

static void
replay_write(struct recovery *r, const struct journal_record *record, const struct record_write *w)
{
    struct owner *o = r->owner;
    struct home *h = owner_add_home(o, w->home);
    struct touch_query query;
    struct str error;
    struct open open = { .lsn = record->lsn, .home = h, .age = { record->lsn, record->wall_us } };

    if (touch_query_of(w->query, &r->arena, &query, &error) == FAIL_NONE)
        open.timeout_us = timeout_us_of(query.timeout_s);
    open.n_points = w->n_points;
    open.points = mem_array(w->n_points ? w->n_points : 1, sizeof(*open.points));
    for (unsigned i = 0; i < w->n_points; i++) {
        open.points[i].collection = lexicon_number(o->collections, w->collection);
        open.points[i].shard_key = lexicon_number(o->shard_keys, w->shard_keys[w->points[i].shard_key]);
        open.points[i].point = w->points[i].id;
    }
    for (unsigned i = 0; i < w->n_copies; i++) {
        struct lane *l = home_lane(h, w->copies[i]);

        open.lanes |= UINT64_C(1) << l->index;
        lane_mark(l, open.points, open.n_points, open.age, w->flags & TOUCH_PAYLOAD_ONLY);
    }
    home_missed(h, w->collection, open.lanes);
    open_add(r, &open);
    o->marked_lsn = record->lsn;
}

/* Of one that is given up no write is open: what has no outcome here had it when that was recorded. */
static bool
replay_home(struct recovery *r, struct str payload)
{
    struct record_home record = { .is_given_up = false };
    bool is_good = record_take_home(payload, &record);
    const struct home *h = is_good ? owner_home(r->owner, record.home) : NULL;
    bool is_over = record.is_given_up || (h && h->claims == HOME_GIVEN_UP);
    struct open *open, *next;

    HASH_ITER (hh, r->opens, open, next) {
        if (is_over && str_eq(str_from(open->home->name), record.home))
            open_remove(r, open);
    }
    return is_good && owner_replay_home(r->owner, payload);
}

static bool
replay(struct recovery *r, const struct journal_record *record)
{
    struct record_write write;
    struct record_outcome outcome;
    struct record_identity identity;
    struct record_process process;
    struct record_restore restore;
    struct open *open;

    switch (record->kind) {
    case RECORD_WRITE:
        if (!record_take_write(record->payload, &r->arena, &write))
            return false;
        replay_write(r, record, &write);
        return true;
    case RECORD_OUTCOME:
        if (!record_take_outcome(record->payload, &outcome))
            return false;
        HASH_FIND(hh, r->opens, &record->ref, sizeof(record->ref), open);
        if (open && outcome.result != RECORD_UNKNOWN)
            open_remove(r, open);
        else if (outcome.result != RECORD_UNKNOWN)
            owner_replay_schema_outcome(r->owner, record->ref, outcome.result == RECORD_DONE);
        return true;
    case RECORD_SCHEMA:
        return owner_replay_schema(r->owner, &r->arena, record);
    case RECORD_PROCESS:
        if (!record_take_process(record->payload, &process))
            return false;
        if (process.text.len)
            watch_learn(owner_add_home(r->owner, process.home), process.text);
        return true;
    case RECORD_RESTORE:
        if (!record_take_restore(record->payload, &restore))
            return false;
        restore_replay(owner_add_home(r->owner, restore.home), restore.from, restore.flags);
        return true;
    case RECORD_STATE:
    case RECORD_VOID:
        return true; /* of use to a rewind only */
    case RECORD_FROZEN:
        r->owner->marked_lsn = record->lsn;
        return owner_replay_frozen(r->owner, record->payload);
    case RECORD_HOME:
        r->owner->marked_lsn = record->lsn;
        return replay_home(r, record->payload);
    case RECORD_IDENTITY:
        if (!record_take_identity(record->payload, &identity))
            return false;
        return owner_learn_identity(r->owner, identity.cluster, identity.identity);
    default:
        return false;
    }
}

static int
on_record(const struct journal_record *record, void *arg)
{
    struct recovery *r = arg;
    bool is_good = !r->is_checkpoint_bad && replay(r, record);

    arena_reset(&r->arena);
    r->records++;
    if (is_good)
        return 0;
    if (r->bad_lsn == 0)
        r->bad_lsn = record->lsn;
    return -EBADMSG;
}

/* --- and after that ---------------------------------------------------------------------------------------------- */

static void
taint(struct home *h)
{
    struct owner *o = h->owner;
    struct lane *l;

    LIST_FOREACH (l, &h->lanes, entry) {
        marks_taint(l->marks);
        for (uint32_t c = 1; c < lexicon_count(o->collections); c++) {
            if (lexicon_is_current(o->collections, c))
                lane_taint(l, c);
        }
    }
}

/* Copies that joined after a write was recorded are for it, too. */
static void
fit_lanes(struct recovery *r)
{
    struct open *open, *next;
    struct home *h;

    LIST_FOREACH (h, &r->owner->homes, entry)
        home_fit_lanes(h);
    HASH_ITER (hh, r->opens, open, next) {
        if (open->n_points)
            open->lanes |= home_lanes_mask(open->home, lexicon_name(r->owner->collections, open->points[0].collection));
    }
}

static void
finish(struct recovery *r)
{
    struct open *open, *next;
    struct home *h;
    unsigned n = HASH_COUNT(r->opens);

    crash_point(CRASH_AT_OWNER_JOURNAL_READ);
    fit_lanes(r);
    if (rule_is_off(RULE_TAINT))
        return;
    HASH_ITER (hh, r->opens, open, next) {
        struct ledger_hold *hold = ledger_hold_points(open->home->ledger, open->points, open->n_points, open->age);

        if (open->n_points)
            home_quarantine(open->home, hold, open->lanes, open->points[0].collection, open->timeout_us);
        open_remove(r, open);
        crash_point(CRASH_AT_OWNER_HELD_AGAIN);
    }
    LIST_FOREACH (h, &r->owner->homes, entry) {
        home_hold_changes(h);
        taint(h);
    }
    crash_point(CRASH_AT_OWNER_TAINTED);
    if (r->records || n)
        log_info("journal: %llu records read again, %u writes without an outcome are held",
            (unsigned long long)r->records, n);
}

static void
explain(const struct recovery *r, struct buf *ret_error)
{
    if (r->is_checkpoint_bad)
        buf_printf(ret_error, "the newest checkpoint was written by another version, or is damaged");
    else if (r->bad_lsn)
        buf_printf(
            ret_error, "record %llu was written by another version, or is damaged", (unsigned long long)r->bad_lsn);
}

/* Of a small quota an eighth, so that there are some to recycle. A record fits one, or is refused. */
static uint64_t
segment_bytes(uint64_t quota)
{
    return quota / 8 < JOURNAL_SEGMENT_BYTES ? quota / 8 : JOURNAL_SEGMENT_BYTES;
}

int
owner_open_journal(struct owner *o, struct buf *ret_error)
{
    const struct conf *conf = o->up->fleet->world->conf;
    struct recovery r = { .owner = o };
    struct journal_recovery recovery = { on_checkpoint, on_record, &r };
    struct open *open, *next;
    struct journal_options options = {
        .dir = conf->journal_dir.p,
        .quota_bytes = conf->journal_quota,
        .segment_bytes = segment_bytes(conf->journal_quota),
        .loop = o->loop,
        .may_make = true,
    };
    int error = journal_open(&options, &recovery, &o->journal, ret_error);

    if (error == 0 && r.is_checkpoint_bad) {
        journal_close(&o->journal);
        error = -EBADMSG;
    }
    if (error)
        explain(&r, ret_error);
    else
        finish(&r);
    HASH_ITER (hh, r.opens, open, next)
        open_remove(&r, open);
    arena_fini(&r.arena);
    return error;
}
