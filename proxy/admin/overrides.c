/* SPDX-License-Identifier: Apache-2.0
 *
 * Orders about clusters and endpoints, and the list of those in force; docs/admin.md, "Overrides".
 */
#include <errno.h>

#include "proxy/admin/admin.h"
#include "proxy/base/clock.h"

static void
put_target(struct json_writer *w, const struct hold *h)
{
    struct buf target = { 0 };

    hold_target_print(h, &target);
    json_member_str(w, "target", buf_str(&target));
    buf_fini(&target);
}

static void
put_why(struct json_writer *w, const struct hold *h)
{
    json_member_str(w, "reason", h->reason);
    json_member_str(w, "by", h->by);
    json_member_str(w, "since", h->since);
}

/* --- the list ---------------------------------------------------------------------------------------------------- */

static bool
is_known(const struct topology *t, const struct hold *h)
{
    int index = topology_find(t, h->cluster);

    return index >= 0 && h->endpoint <= t->clusters[index].n_endpoints;
}

bool
admin_page_overrides(const struct admin_view *view, struct str query, struct buf *out)
{
    const struct holds *holds = *view->holds;
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_member_bool(&w, "survive_restart", view->has_state);
    json_key(&w, "overrides");
    json_begin_array(&w);
    for (unsigned i = 0; i < holds->n; i++) {
        json_begin_object(&w);
        put_target(&w, &holds->items[i]);
        json_member_str(&w, "state", str_from(hold_kind_name(holds->items[i].kind)));
        put_why(&w, &holds->items[i]);
        json_member_bool(&w, "known", is_known((*view->fleet)->world->topology, &holds->items[i]));
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    buf_putc(out, '\n');
    return true;
}

/* --- orders ------------------------------------------------------------------------------------------------------ */

static void
put_lines(struct json_writer *w, const char *key, struct str text)
{
    struct str line;

    json_key(w, key);
    json_begin_array(w);
    while (text.len) {
        str_cut(text, '\n', &line, &text);
        if (line.len)
            json_put_str(w, line);
    }
    json_end_array(w);
}

static void
put_answer(const struct hold *wish, const struct admin_hold_answer *a, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    put_target(&w, wish);
    json_member_str(&w, "state", str_from(hold_kind_name(wish->kind)));
    json_member_str(&w, "was", str_from(hold_kind_name(a->was)));
    if (wish->kind != HOLD_NONE)
        put_why(&w, wish);
    json_member_bool(&w, "survives_restart", a->survives_restart);
    put_lines(&w, "warnings", buf_str(&a->warnings));
    json_end_object(&w);
    buf_putc(out, '\n');
}

static int
status_of(int error)
{
    return error == 0 ? 200 : error == -ENOENT ? 404 : error == -EPERM ? 409 : 507;
}

/* "2026-02-28T23:59:59.123Z" as the writer spells it, without its quotes. */
static struct str
now_text(struct buf *into)
{
    struct json_writer w = json_writer(into);

    json_put_time(&w, clock_wall_us());
    return str_make(buf_str(into).p + 1, buf_len(into) - 2);
}

static bool
take_wish(const struct admin_order *order, struct hold *ret_wish, struct buf *out)
{
    struct json reason = json_get(order->body, "reason");

    if (!hold_target_parse(json_string(json_get(order->body, "target")), &ret_wish->cluster, &ret_wish->endpoint)) {
        admin_put_error(out, "target: expected a cluster (eu) or an endpoint of it (eu/1)");
        return false;
    }
    ret_wish->reason = json_string(reason);
    if (json_type(reason) != JSON_NONE && json_type(reason) != JSON_STRING) {
        admin_put_error(out, "reason: expected a text");
        return false;
    }
    if (ret_wish->reason.len > HOLD_REASON_BYTES) {
        admin_put_error(out, "reason: %d bytes at most", HOLD_REASON_BYTES);
        return false;
    }
    return true;
}

static int
obey(const struct admin_view *view, const struct admin_order *order, enum hold_kind kind, struct buf *out)
{
    struct buf now = { 0 };
    struct hold wish = { .kind = kind, .by = str_from(order->by) };
    struct admin_hold_answer answer = { .was = HOLD_NONE };
    int error;

    if (!take_wish(order, &wish, out))
        return 400;
    wish.since = now_text(&now);
    error = view->ops->hold(view->ops_arg, &wish, &answer);
    if (error)
        admin_put_error(out, STR_FMT, STR_ARG(buf_str(&answer.warnings)));
    else
        put_answer(&wish, &answer, out);
    buf_fini(&answer.warnings);
    buf_fini(&now);
    return status_of(error);
}

int
admin_order_drain(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return obey(view, order, HOLD_DRAIN, out);
}

int
admin_order_down(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return obey(view, order, HOLD_DOWN, out);
}

int
admin_order_up(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    return obey(view, order, HOLD_NONE, out);
}
