/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/fleet.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"

/* The registry holds a reference on each; an entry that only the registry still holds is dropped at the next build. */
struct registry {
    struct backend *backends[BACKENDS_MAX]; /* by id */
    struct cluster *clusters[CLUSTERS_MAX]; /* by slot */
};

struct registry *
registry_new(void)
{
    return MEM_NEW(struct registry);
}

void
registry_free(struct registry *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < BACKENDS_MAX; i++)
        backend_unref(r->backends[i]);
    for (unsigned i = 0; i < CLUSTERS_MAX; i++)
        cluster_unref(r->clusters[i]);
    mem_free(r);
}

static void
sweep(struct registry *r)
{
    for (unsigned i = 0; i < BACKENDS_MAX; i++) {
        if (r->backends[i] && atomic_load(&r->backends[i]->refs) == 1) {
            backend_unref(r->backends[i]);
            r->backends[i] = NULL;
        }
    }
    for (unsigned i = 0; i < CLUSTERS_MAX; i++) {
        if (r->clusters[i] && atomic_load(&r->clusters[i]->refs) == 1) {
            cluster_unref(r->clusters[i]);
            r->clusters[i] = NULL;
        }
    }
}

static struct backend *
find_backend(struct registry *r, const struct url *url, const struct addr *addr)
{
    int room = -1;

    for (unsigned i = 0; i < BACKENDS_MAX; i++) {
        struct backend *b = r->backends[i];

        if (!b)
            room = room < 0 ? (int)i : room;
        else if (addr_eq(&b->addr, addr) && str_eq(str_from(b->url), url->text))
            return b;
    }
    if (room < 0)
        return NULL;
    return r->backends[room] = backend_new((unsigned)room, url, addr);
}

static bool
has_target(const struct topology *t, struct str name)
{
    for (unsigned i = 0; i < t->n_clusters + t->n_edges; i++) {
        if (str_eq(t->clusters[i].name, name))
            return true;
    }
    return false;
}

/* A slot for a new name: a free one, else that of a cluster which this world no longer has. Requests that still use that one
 * keep it; only its label passes on. There is one always, as a world has no more clusters and other edges than slots. */
static unsigned
find_slot(const struct registry *r, const struct topology *t)
{
    for (unsigned i = 0; i < CLUSTERS_MAX; i++) {
        if (!r->clusters[i])
            return i;
    }
    for (unsigned i = 0; i < CLUSTERS_MAX; i++) {
        if (!has_target(t, str_from(r->clusters[i]->name)))
            return i;
    }
    return CLUSTERS_MAX;
}

/* What clusters lacked of the one that had this slot before says nothing about the next. */
static void
forget_home(struct registry *r, unsigned slot)
{
    for (unsigned i = 0; i < CLUSTERS_MAX; i++) {
        if (r->clusters[i])
            atomic_fetch_and(&r->clusters[i]->shared.lacks, ~(UINT64_C(1) << slot));
    }
}

static struct cluster *
find_cluster(struct registry *r, const struct topology *t, struct str name)
{
    unsigned slot;

    for (unsigned i = 0; i < CLUSTERS_MAX; i++) {
        if (r->clusters[i] && str_eq(str_from(r->clusters[i]->name), name))
            return r->clusters[i];
    }
    slot = find_slot(r, t);
    assert(slot < CLUSTERS_MAX);
    cluster_unref(r->clusters[slot]);
    forget_home(r, slot);
    return r->clusters[slot] = cluster_new(slot, name);
}

static struct health_conf
health_conf_of(const struct conf *conf)
{
    return (struct health_conf){
        .fall = (unsigned)conf->probe_fall,
        .rise = (unsigned)conf->probe_rise,
        .eject_base_us = conf->eject_base * USEC_PER_MSEC,
        .eject_max_us = conf->eject_max * USEC_PER_MSEC,
        .ramp_us = conf->ramp_up * USEC_PER_MSEC,
    };
}

static void
add_endpoint(struct registry *r, struct fleet *f, unsigned cluster, const struct endpoint_conf *e,
    const struct addr *addrs, unsigned n)
{
    struct fleet_cluster *fc = &f->clusters[cluster];
    struct health_conf health = health_conf_of(f->world->conf);

    for (unsigned i = 0; i < n && fc->n_backends < BACKENDS_MAX; i++) {
        struct backend *b = find_backend(r, &e->url, &addrs[i]);

        if (!b)
            return; /* more addresses than there is room for: the first ones serve */
        backend_configure(b, &health);
        backend_set_tls(b, f->world->tls_clients[cluster]);
        fc->backends[fc->n_backends++] = (struct fleet_backend){ backend_ref(b), e->number, e->weight / n };
    }
}

static void
add_cluster(struct registry *r, struct fleet *f, unsigned index, registry_resolve_fn *resolve, void *arg)
{
    enum { PER_HOST = 32 };
    const struct topology *t = f->world->topology;
    const struct cluster_conf *conf = &t->clusters[index];
    struct fleet_cluster *fc = &f->clusters[index];
    double km = t->has_region && conf->at.has_point ? place_distance_km(&t->region, &conf->at) : -1;
    double bias = conf->bias;

    fc->cluster = cluster_ref(find_cluster(r, t, conf->name));
    if (fc->cluster->rank.published_ms == 0)
        rank_init(&fc->cluster->rank, km);
    atomic_store(&fc->cluster->shared.distance_km, km);
    atomic_store(&fc->cluster->shared.cost_ms, rank_cost_ms(&fc->cluster->rank, bias));
    fc->backends = ARENA_ARRAY(&f->arena, (size_t)conf->n_endpoints * PER_HOST, struct fleet_backend);
    for (unsigned i = 0; i < conf->n_endpoints; i++) {
        const struct endpoint_conf *e = &conf->endpoints[i];
        struct addr addrs[PER_HOST];
        unsigned n = 1;

        if (e->url.is_literal)
            addrs[0] = e->url.addr;
        else
            n = resolve(arg, e->url.host, addrs, PER_HOST);
        add_endpoint(r, f, index, e, addrs, n);
    }
}

struct fleet *
fleet_build(struct registry *r, struct world *world, registry_resolve_fn *resolve, void *arg)
{
    struct fleet *f = MEM_NEW(struct fleet);

    sweep(r);
    atomic_init(&f->refs, 1);
    f->world = world_ref(world);
    f->n_clusters = world->topology->n_clusters;
    f->n_targets = f->n_clusters + world->topology->n_edges;
    f->clusters = ARENA_ARRAY(&f->arena, f->n_targets, struct fleet_cluster);
    for (unsigned i = 0; i < f->n_targets; i++)
        add_cluster(r, f, i, resolve, arg);
    return f;
}

void
fleet_set_findings(struct fleet *f, const struct str *crossing, unsigned n, struct str version, uint64_t claimed)
{
    f->claimed = claimed;
    f->crossing_aliases = ARENA_ARRAY(&f->arena, n + 1, struct str);
    for (unsigned i = 0; i < n; i++)
        f->crossing_aliases[i] = arena_str(&f->arena, crossing[i]);
    f->n_crossing = n;
    if (n)
        qsort(f->crossing_aliases, n, sizeof(struct str), str_compare);
    f->version = arena_str(&f->arena, version);
}

static uint64_t
endpoints_of(const struct cluster_conf *conf)
{
    return UINT64_MAX >> (64 - conf->n_endpoints);
}

static void
hold_cluster(struct fleet *f, unsigned index, const struct holds *holds)
{
    struct fleet_cluster *fc = &f->clusters[index];
    const struct cluster_conf *conf = &f->world->topology->clusters[index];
    uint64_t held = 0, down = 0;

    for (unsigned i = 0; i < holds->n; i++) {
        const struct hold *h = &holds->items[i];
        uint64_t mask = h->endpoint ? UINT64_C(1) << (h->endpoint - 1) : endpoints_of(conf);

        if (!str_eq(h->cluster, conf->name))
            continue;
        held |= mask;
        down |= h->kind == HOLD_DOWN ? mask : 0;
        if (h->endpoint == 0 || fc->hold_reason.len == 0)
            fc->hold_reason = arena_str(&f->arena, h->reason);
    }
    atomic_store_explicit(&fc->cluster->shared.held_down, down, memory_order_relaxed);
    atomic_store_explicit(&fc->cluster->shared.held, held, memory_order_release);
}

void
fleet_set_holds(struct fleet *f, const struct holds *holds)
{
    for (unsigned i = 0; i < f->n_clusters; i++)
        hold_cluster(f, i, holds);
}

struct fleet *
fleet_ref(struct fleet *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void
fleet_unref(struct fleet *f)
{
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < f->n_targets; i++) {
        for (unsigned j = 0; j < f->clusters[i].n_backends; j++)
            backend_unref(f->clusters[i].backends[j].backend);
        cluster_unref(f->clusters[i].cluster);
    }
    world_unref(f->world);
    arena_fini(&f->arena);
    mem_free(f);
}

static void
view_holds(const struct fleet *f, unsigned index, struct cluster_view *v)
{
    const struct fleet_cluster *fc = &f->clusters[index];
    uint64_t all = endpoints_of(&f->world->topology->clusters[index]);

    v->held_endpoints = atomic_load_explicit(&fc->cluster->shared.held, memory_order_acquire);
    v->hold = HOLD_NONE;
    v->hold_reason = STR_NONE;
    if (v->held_endpoints == 0)
        return;
    v->hold_reason = fc->hold_reason;
    if ((v->held_endpoints & all) == all)
        v->hold = (atomic_load_explicit(&fc->cluster->shared.held_down, memory_order_relaxed) & all) == all
                      ? HOLD_DOWN
                      : HOLD_DRAIN;
}

/* From slots to the order of the topology. */
static uint64_t
by_index(const struct fleet *f, uint64_t slots)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < f->n_clusters && slots; i++)
        mask |= (slots >> f->clusters[i].cluster->slot & 1) << i;
    return mask;
}

void
fleet_views(const struct fleet *f, struct cluster_view *ret_views)
{
    for (unsigned i = 0; i < f->n_clusters; i++) {
        const struct fleet_cluster *fc = &f->clusters[i];
        struct cluster_view *v = &ret_views[i];

        view_holds(f, i, v);
        v->is_up = v->is_ejected = false;
        v->is_claimed = f->claimed >> i & 1;
        v->is_behind = atomic_load_explicit(&fc->cluster->shared.is_behind, memory_order_relaxed);
        v->lacks = by_index(f, atomic_load_explicit(&fc->cluster->shared.lacks, memory_order_relaxed));
        for (unsigned j = 0; j < fc->n_backends; j++) {
            enum health_state state = backend_state(fc->backends[j].backend);

            if (v->held_endpoints >> (fc->backends[j].endpoint - 1) & 1)
                continue;
            v->is_up |= health_is_usable(state);
            v->is_ejected |= state == HEALTH_EJECTED;
        }
        v->cost_ms = atomic_load_explicit(&fc->cluster->shared.cost_ms, memory_order_relaxed);
        v->rtt_ms = atomic_load_explicit(&fc->cluster->shared.rtt_ms, memory_order_relaxed);
        v->distance_km = atomic_load_explicit(&fc->cluster->shared.distance_km, memory_order_relaxed);
    }
}

bool
fleet_alias_crosses(const struct fleet *f, struct str name)
{
    return f->n_crossing && bsearch(&name, f->crossing_aliases, f->n_crossing, sizeof(struct str), str_compare);
}
