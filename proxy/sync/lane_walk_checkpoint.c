/* SPDX-License-Identifier: Apache-2.0
 *
 * What a checkpoint has of a walk, so that it goes on after a start. A comparison is not saved: nobody waits for it then.
 */
#include <stdio.h>

#include "proxy/base/varint.h"
#include "proxy/sync/walk_impl.h"

enum { VERSION = 2, COUNTED_BEFORE = 2 /* in the place of is_counted: what follows is n_before */ };

static void
save_task(const struct walk_task *t, struct buf *out)
{
    bool is_before = !t->is_counted && t->was_counted;
    const uint64_t numbers[] = { t->collection, is_before ? COUNTED_BEFORE : t->is_counted, t->has_from, t->shard_key,
        t->from.is_uuid, t->from.hi, t->from.lo, t->n_source, is_before ? t->n_before : t->n_target, t->tally.passed,
        t->tally.missing, t->tally.unlike, t->tally.extra, t->tally.unsaved };

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
        varint_put(out, numbers[i]);
}

static bool
load_task(struct walk *w, struct str *in)
{
    uint64_t n[14];
    struct walk_task *t;

    for (unsigned i = 0; i < sizeof(n) / sizeof(*n); i++) {
        if (!varint_take(in, UINT64_MAX, &n[i]))
            return false;
    }
    t = walk_add_task(w, (uint32_t)n[0]);
    t->is_counted = n[1] == 1;
    t->was_counted = n[1] == COUNTED_BEFORE;
    t->n_before = n[8];
    t->has_from = n[2];
    t->shard_key = (uint32_t)n[3];
    t->from = (struct point_id){ .is_uuid = n[4], .hi = n[5], .lo = n[6] };
    t->n_source = n[7];
    t->n_target = n[8];
    t->tally = (struct walk_tally){ n[9], n[10], n[11], n[12], n[13] };
    return true;
}

void
lane_walk_save(const struct lane *l, struct buf *out)
{
    const struct walk *w = l->walk;
    const struct walk_task *task;
    uint64_t n = 0;

    if (!lane_is_mending(l))
        return;
    TAILQ_FOREACH (task, &w->tasks, entry)
        n++;
    varint_put(out, VERSION);
    varint_put_str(out, str_from(w->why));
    varint_put(out, w->age.lsn);
    varint_put(out, (uint64_t)w->age.wall_us);
    varint_put(out, w->position);
    varint_put(out, w->shed_lsn);
    varint_put(out, w->may_delete);
    varint_put(out, w->is_listed);
    varint_put(out, w->fills);
    varint_put(out, n);
    TAILQ_FOREACH (task, &w->tasks, entry)
        save_task(task, out);
}

bool
lane_walk_load(struct lane *l, struct str in)
{
    uint64_t version, lsn, wall_us, may_delete, is_listed, fills = 0, n;
    struct walk *w;
    struct str why;

    if (in.len == 0)
        return true;
    w = l->walk = walk_new(l, "");
    if (!varint_take(&in, VERSION, &version) || version == 0 || !varint_take_str(&in, &why) ||
        !varint_take(&in, UINT64_MAX, &lsn) || !varint_take(&in, INT64_MAX, &wall_us) ||
        !varint_take(&in, UINT64_MAX, &w->position) || !varint_take(&in, UINT64_MAX, &w->shed_lsn) ||
        !varint_take(&in, 1, &may_delete) || !varint_take(&in, 1, &is_listed) ||
        (version >= 2 && !varint_take(&in, 1, &fills)) || !varint_take(&in, UINT32_MAX, &n))
        return false;
    w->age = (struct mark_age){ lsn, (int64_t)wall_us };
    l->shed_us = w->shed_lsn ? owner_now_us(l->home->owner) : 0;
    w->may_delete = may_delete;
    w->is_listed = is_listed;
    w->fills = fills;
    snprintf(w->why, sizeof(w->why), STR_FMT, STR_ARG(why));
    for (uint64_t i = 0; i < n; i++) {
        if (!load_task(w, &in))
            return false;
    }
    return in.len == 0;
}
