/* SPDX-License-Identifier: Apache-2.0
 *
 * Collections that were not made through Sextant become its own when an operator who has compared them says so: home's gets an
 * incarnation, if it has none, and each lane gives it to its copy.
 */
#include "proxy/base/mem.h"
#include "proxy/obs/log.h"
#include "proxy/route/path.h"
#include "proxy/sync/owner_change.h"

/* A change of schema like one that a client asks for, of this edge's own. */
static struct order *
make_order(struct home *h, struct str collection)
{
    struct order *order = order_new();
    struct lane *l;

    order->loop = h->owner->loop;
    order->home = arena_str(&order->arena, str_from(h->name));
    LIST_FOREACH (l, &h->lanes, entry) {
        if (order->n_copies < ORDER_COPIES_MAX && lane_keeps_name(l, collection))
            order->copies[order->n_copies++] = arena_str(&order->arena, str_from(l->copy));
    }
    message_init(&order->fields, &order->arena);
    message_add(&order->fields, STR("content-type"), STR("application/json"));
    order->deadline_us = owner_now_us(h->owner) + INT64_C(30) * 1000 * 1000;
    return order;
}

void
owner_adopt(struct owner *o, struct errand *e)
{
    struct str target = json_string(json_get(e->body, "target")), name, collection;
    struct change *c;
    struct home *h;

    str_cut(target, '/', &name, &collection);
    h = owner_home(o, name);
    if (!h || collection.len == 0) {
        errand_refuse(e, 404, "there is no home of this edge in " STR_FMT ": say HOME/COLLECTION", STR_ARG(target));
        return;
    }
    log_info("home %s: collection " STR_FMT " is adopted, ordered by " STR_FMT, h->name, STR_ARG(collection),
        STR_ARG(e->by));
    c = change_new(h, collection, OP_UPDATE_COLLECTION);
    c->is_adopting = c->is_gated = true;
    c->order = make_order(h, c->name);
    c->errand = e;
    c->target = arena_join(&c->arena, STR("/collections/"), path_encode(c->name, &c->arena), STR_NONE);
    timer_set(&c->timer, c->order->deadline_us - owner_now_us(o));
    change_enter(c);
    home_run(h);
}
