/* SPDX-License-Identifier: Apache-2.0
 *
 * How far the copies are behind, for the status page and the metrics.
 */
#include <math.h>

#include "proxy/admin/admin.h"
#include "proxy/admin/status.h"
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/sync/owner.h"

/* Of an edge that owns a home; else nothing. The caller's to free. */
static struct lane_view *
get_lanes(const struct admin_view *view, unsigned *ret_n)
{
    struct owner *owner = view->shared->owner;
    unsigned max = owner ? owner_lanes(owner, NULL, 0) : 0, n;
    struct lane_view *lanes = mem_array(max ? max : 1, sizeof(*lanes));

    n = owner ? owner_lanes(owner, lanes, max) : 0;
    *ret_n = n < max ? n : max;
    return lanes;
}

static void
put_walk(const struct walk_view *v, struct json_writer *w)
{
    json_key(w, "walk");
    if (v->state == WALK_NONE) {
        json_put_null(w);
        return;
    }
    json_begin_object(w);
    json_member_str(w, "state", str_from(walk_state_name(v->state)));
    json_member_str(w, "why", str_from(v->why));
    json_member_str(w, "collection", str_from(v->collection));
    json_member_u64(w, "collections_left", v->n_left);
    json_member_u64(w, "points_passed", v->passed);
    json_member_u64(w, "points", v->total);
    json_member_u64(w, "missing", v->missing);
    json_member_u64(w, "unlike", v->unlike);
    json_member_u64(w, "extra", v->extra);
    json_member_u64(w, "unsaved", v->unsaved);
    json_member_str(w, "trouble", str_from(v->trouble));
    json_end_object(w);
}

static void
put_lane(const struct lane_view *lane, struct json_writer *w)
{
    json_begin_object(w);
    json_member_str(w, "home", str_from(lane->home));
    json_member_str(w, "copy", str_from(lane->copy));
    json_member_double(w, "lag_seconds", (double)lane->lag_us / 1e6, 3);
    json_member_u64(w, "points_waiting", lane->marks);
    json_member_u64(w, "points_again", lane->again);
    json_member_u64(w, "points_refused", lane->parked);
    json_member_u64(w, "collections_blocked", lane->schemas_blocked);
    json_member_u64(w, "collections_differ", lane->schemas_differ);
    json_member_u64(w, "position", lane->position);
    json_member_bool(w, "incomplete", lane->is_incomplete);
    json_member_str(w, "trouble", str_from(lane->trouble));
    put_walk(&lane->walk, w);
    json_end_object(w);
}

static void
put_one_frozen(const struct frozen_view *f, struct json_writer *w)
{
    json_begin_object(w);
    json_member_str(w, "line", str_from(f->line));
    json_member_str(w, "partition", str_from(f->partition));
    json_member_str(w, "home", str_from(f->home));
    json_member_str(w, "without", str_from(f->without));
    json_member_double(w, "seconds", (double)(clock_wall_us() - f->since_wall_us) / 1e6, 0);
    json_member_str(w, "by", str_from(f->by));
    json_member_str(w, "reason", str_from(f->reason));
    json_member_bool(w, "drained", f->is_drained);
    json_member_bool(w, "released", f->is_given_up);
    json_member_str(w, "left", str_from(f->left));
    json_end_object(w);
}

static void
put_frozen(const struct admin_view *view, struct json_writer *w)
{
    struct owner *owner = view->shared->owner;
    struct frozen_view *frozen = mem_array(FROZEN_MAX, sizeof(*frozen));
    unsigned n = owner ? owner_frozen(owner, frozen, FROZEN_MAX) : 0;

    json_key(w, "frozen");
    json_begin_array(w);
    for (unsigned i = 0; i < n; i++)
        put_one_frozen(&frozen[i], w);
    json_end_array(w);
    mem_free(frozen);
}

static void
put_restores(const struct admin_view *view, struct json_writer *w)
{
    struct owner *owner = view->shared->owner;
    struct restore_view *restores = mem_array(RESTORES_MAX, sizeof(*restores));
    unsigned n = owner ? owner_restores(owner, restores, RESTORES_MAX) : 0;

    json_key(w, "restoring");
    json_begin_array(w);
    for (unsigned i = 0; i < n; i++) {
        json_begin_object(w);
        json_member_str(w, "home", str_from(restores[i].home));
        json_member_str(w, "from", str_from(restores[i].from));
        json_member_str(w, "stage", str_from(restores[i].stage));
        json_member_bool(w, "delete", restores[i].may_delete);
        json_member_str(w, "trouble", str_from(restores[i].trouble));
        json_end_object(w);
    }
    json_end_array(w);
    mem_free(restores);
}

static void
put_journal(const struct owner_view *v, struct json_writer *w)
{
    json_key(w, "journal");
    json_begin_object(w);
    json_member_u64(w, "last_lsn", v->last_lsn);
    json_member_u64(w, "durable_lsn", v->durable_lsn);
    json_member_u64(w, "used_bytes", v->used_bytes);
    json_member_u64(w, "quota_bytes", v->quota_bytes);
    json_member_u64(w, "room_bytes", v->room_bytes);
    if (v->full_in_us >= 0)
        json_member_u64(w, "full_in_seconds", (uint64_t)v->full_in_us / USEC_PER_SEC);
    json_member_u64(w, "writes_open", v->n_open);
    json_member_u64(w, "writes_held", v->n_held);
    json_member_u64(w, "homes_rewinding", v->n_rewinding);
    json_member_u64(w, "homes_restoring", v->n_restoring);
    json_member_str(w, "error",
        str_from(v->error        ? strerrordesc_np(-v->error)
                 : v->is_waiting ? "the process before this one still has it"
                                 : ""));
    json_end_object(w);
}

void
status_put_fanout(const struct admin_view *view, struct json_writer *w)
{
    unsigned n;
    struct lane_view *lanes = get_lanes(view, &n);
    struct owner_view owner;

    json_key(w, "lanes");
    json_begin_array(w);
    for (unsigned i = 0; i < n; i++)
        put_lane(&lanes[i], w);
    json_end_array(w);
    mem_free(lanes);
    put_frozen(view, w);
    put_restores(view, w);
    if (!view->shared->owner)
        return;
    owner_look(view->shared->owner, &owner);
    put_journal(&owner, w);
}

bool
admin_page_lanes(const struct admin_view *view, struct str query, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    status_put_fanout(view, &w);
    json_end_object(&w);
    buf_putc(out, '\n');
    return true;
}

bool
admin_page_freeze(const struct admin_view *view, struct str query, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    put_frozen(view, &w);
    json_end_object(&w);
    buf_putc(out, '\n');
    return true;
}

/* --- orders ------------------------------------------------------------------------------------------------------ */

int
admin_ask_owner(const struct admin_view *view, const struct admin_order *order, errand_fn *run, struct buf *out)
{
    struct errand *e;

    if (!view->shared->owner) {
        admin_put_error(out, "this edge owns no home: ask the one that does");
        return 409;
    }
    e = errand_new(order->body, order->by);
    e->run = run;
    e->loop = order->wait->loop;
    e->on_done = order->wait->on_errand;
    e->arg = order->wait->arg;
    order->wait->errand = e;
    order->wait->is_waiting = true;
    owner_send(view->shared->owner, e);
    return 0;
}

int
admin_order_held(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_held, out);
}

int
admin_order_retry(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_retry, out);
}

int
admin_order_freeze(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_freeze, out);
}

int
admin_order_unfreeze(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_unfreeze, out);
}

int
admin_order_release(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_release, out);
}

int
admin_order_resync(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_resync, out);
}

int
admin_order_compare(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_compare, out);
}

int
admin_order_restore(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_restore, out);
}

int
admin_order_adopt(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return admin_ask_owner(view, order, owner_adopt, out);
}

/* --- metrics ----------------------------------------------------------------------------------------------------- */

static double
value_of(const struct lane_view *lane, enum metric_id id)
{
    switch ((int)id) {
    case METRIC_LANE_LAG:
        return (double)lane->lag_us / 1e6;
    case METRIC_LANE_WAITING:
        return (double)lane->marks;
    case METRIC_LANE_WALKS:
        return lane->walk.state == WALK_MENDS || lane->walk.state == WALK_STOPPED;
    case METRIC_LANE_WALK_POINTS:
        return (double)(lane->walk.total > lane->walk.passed ? lane->walk.total - lane->walk.passed : 0);
    case METRIC_LANE_DIFFERENCES:
        return (double)(lane->walk.missing + lane->walk.unlike + lane->walk.extra);
    case METRIC_LANE_BLOCKED:
        return lane->schemas_blocked;
    case METRIC_LANE_DIFFERS:
        return lane->schemas_differ;
    default:
        return (double)lane->parked;
    }
}

static void
print_journal(const struct owner_view *v, bool is_there, struct buf *out)
{
    const struct {
        enum metric_id id;
        double value;
    } rows[] = {
        { METRIC_JOURNAL_LSN, (double)v->durable_lsn },
        { METRIC_JOURNAL_BYTES, (double)v->used_bytes },
        { METRIC_JOURNAL_FULL_IN, v->full_in_us < 0 ? INFINITY : (double)v->full_in_us / USEC_PER_SEC },
        { METRIC_JOURNAL_QUOTA, (double)v->quota_bytes },
        { METRIC_JOURNAL_COMMITS, (double)v->commits },
        { METRIC_JOURNAL_SYNC, (double)v->sync_us / 1e6 },
        { METRIC_JOURNAL_OK, v->error == 0 },
        { METRIC_WRITES_OPEN, v->n_open },
        { METRIC_WRITES_HELD, v->n_held },
        { METRIC_FROZEN, v->n_frozen },
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        metrics_print_head(rows[i].id, out);
        if (is_there)
            metrics_print_gauge(rows[i].id, "", rows[i].value, out);
    }
}

void
metrics_print_fanout(const struct admin_view *view, struct buf *out)
{
    static const enum metric_id ids[] = { METRIC_LANE_LAG, METRIC_LANE_WAITING, METRIC_LANE_REFUSED, METRIC_LANE_WALKS,
        METRIC_LANE_WALK_POINTS, METRIC_LANE_DIFFERENCES, METRIC_LANE_BLOCKED, METRIC_LANE_DIFFERS };
    unsigned n;
    struct lane_view *lanes = get_lanes(view, &n);
    struct buf labels = { 0 };
    struct owner_view owner = { 0 };

    for (unsigned k = 0; k < sizeof(ids) / sizeof(ids[0]); k++) {
        metrics_print_head(ids[k], out);
        for (unsigned i = 0; i < n; i++) {
            buf_clear(&labels);
            metrics_print_label(&labels, "home", str_from(lanes[i].home));
            buf_putc(&labels, ',');
            metrics_print_label(&labels, "copy", str_from(lanes[i].copy));
            buf_putc(&labels, '\0');
            metrics_print_gauge(ids[k], buf_str(&labels).p, value_of(&lanes[i], ids[k]), out);
        }
    }
    buf_fini(&labels);
    mem_free(lanes);
    if (view->shared->owner)
        owner_look(view->shared->owner, &owner);
    print_journal(&owner, view->shared->owner != NULL, out);
}
