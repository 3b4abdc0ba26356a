/* SPDX-License-Identifier: Apache-2.0
 *
 * One round asks every cluster for GET / and GET /aliases, each as a leg of its own, and then looks at all answers together. Each
 * sixth round, and each while one is found, it is asked for the claim of an edge that journals for it, too (proxy/sync/notes.h).
 * A cluster that does not answer keeps what it said last. No round is waited for by the first look at a claim (claim_look.h).
 */
#include "proxy/upstream/findings.h"

#include <stdlib.h>

#include "proxy/base/json.h"
#include "proxy/base/mem.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/upstream/claim_look.h"
#include "proxy/upstream/group.h"

enum {
    ROUND_US = 10 * 1000 * 1000,
    FIRST_US = 200 * 1000,
    AGAIN_US = 250 * 1000,
    ANSWER_US = 5 * 1000 * 1000,
    ANSWER_BYTES = 8 << 20,
    CLAIM_ROUNDS = 6
};

enum ask { ASK_VERSION, ASK_ALIASES, ASK_CLAIM, ASKS };

struct known { /* of one cluster, by slot */
    char *version;
    char **crossing;
    unsigned n_crossing;
    bool is_claimed; /* an edge journals for it, as a home */
    bool is_seen;    /* it said whether */
    struct claim_look *look;
};

struct findings {
    struct upstream *up;
    struct fleet *fleet; /* of the round under way; a reference */
    struct fleet *next;  /* to be followed from the next round on; a reference */
    struct group group;
    bool is_busy;
    unsigned n_asks, n_rounds; /* of each cluster in the round under way; rounds so far */
    uint8_t order[CLUSTERS_MAX];
    struct arena arena;
    struct message heads[ASKS];
    struct operation ops[ASKS];
    struct body no_body;
    struct known known[CLUSTERS_MAX];
    struct timer timer, again; /* the latter: for clusters that were not seen yet */
    int64_t again_us;
    struct task release;
    void (*on_change)(void *arg);
    void *arg;
};

static void
forget_crossing(struct known *k)
{
    for (unsigned i = 0; i < k->n_crossing; i++)
        mem_free(k->crossing[i]);
    mem_free(k->crossing);
    k->crossing = NULL;
    k->n_crossing = 0;
}

static bool
take_version(struct known *k, struct json root)
{
    struct str version = json_string(json_get(root, "version"));

    if (version.len == 0 || version.len > 64 || (k->version && str_eq(version, str_from(k->version))))
        return false;
    mem_free(k->version);
    k->version = mem_dup(version.p, version.len);
    return true;
}

static bool
crosses(const struct partition_map *map, struct json alias)
{
    struct str name = json_string(json_get(alias, "alias_name"));
    struct str collection = json_string(json_get(alias, "collection_name"));

    return name.len && partition_map_rule(map, name) != partition_map_rule(map, collection);
}

static bool
take_aliases(struct known *k, const struct partition_map *map, struct json root)
{
    struct json list = json_get(json_get(root, "result"), "aliases");
    struct known fresh = { .crossing = mem_array(json_size(list) + 1, sizeof(char *)) };
    bool is_changed;

    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct str name = json_string(json_get(i.value, "alias_name"));

        if (crosses(map, i.value))
            fresh.crossing[fresh.n_crossing++] = mem_dup(name.p, name.len);
    }
    is_changed = fresh.n_crossing != k->n_crossing;
    for (unsigned i = 0; i < fresh.n_crossing && !is_changed; i++)
        is_changed = !str_eq(str_from(fresh.crossing[i]), str_from(k->crossing[i]));
    forget_crossing(k);
    k->crossing = fresh.crossing;
    k->n_crossing = fresh.n_crossing;
    return is_changed;
}

/* Told when it changes: clients are told nothing of it but 502. */
static void
note_refusal(struct cluster *cluster, const struct cluster_conf *c, int status)
{
    bool is_refused = status == 401 || status == 403;
    bool was_refused = atomic_exchange(&cluster->shared.is_key_refused, is_refused);

    if (is_refused && !was_refused && c->options.api_key.len) {
        log_error("cluster " STR_FMT " refuses its key: %d to GET /aliases", STR_ARG(c->name), status);
        events_add(EVENT_KEY_REFUSED, c->name, "its key is refused: %d to GET /aliases", status);
    } else if (is_refused && !was_refused) {
        log_warning("cluster " STR_FMT
                    " wants a key and has none here: aliases that cross lines of the map are not found",
            STR_ARG(c->name));
    } else if (!is_refused && was_refused) {
        log_info("cluster " STR_FMT " answers GET /aliases again", STR_ARG(c->name));
        events_add(EVENT_KEY_TAKEN, c->name, "it answers GET /aliases again");
    }
}

/* The claim that is there, if it was not given up for anybody to take. No collection, or no such point: none. */
static bool
take_claim(struct known *k, const struct fleet *fleet, unsigned cluster, int status, struct json root)
{
    struct json payload = json_get(json_get(root, "result"), "payload");
    bool is_free = json_bool(json_get(payload, "released"), false) && json_bool(json_get(payload, "free"), false);
    bool is_claimed = status == 200 && json_string(json_get(payload, "journal")).len && !is_free;
    bool is_absent = status == 404 && json_string(json_get(json_get(root, "status"), "error")).len;
    struct str name = fleet->world->topology->clusters[cluster].name;

    if ((status != 200 && !is_absent) || is_claimed == k->is_claimed)
        return false;
    k->is_claimed = is_claimed;
    if (fleet->world->fanout->homes >> cluster & 1)
        return true;
    if (is_claimed)
        log_warning("cluster " STR_FMT
                    " is the home of writes that another edge journals: writes to it are refused here, as "
                    "the map does not say so",
            STR_ARG(name));
    else
        log_info("cluster " STR_FMT " is claimed by no edge any more", STR_ARG(name));
    return true;
}

/* --- the first look ---------------------------------------------------------------------------------------------- */

static void
on_look(void *arg, const struct fleet *fleet, unsigned cluster, int status, struct str body)
{
    struct findings *f = arg;
    struct known *k = &f->known[fleet->clusters[cluster].cluster->slot];
    struct json_doc *doc = status ? json_parse(body, NULL, NULL) : NULL;

    k->look = NULL;
    k->is_seen = status != 0;
    if (!k->is_seen)
        timer_set(&f->again, f->again_us);
    if (doc && take_claim(k, fleet, cluster, status, json_root(doc)))
        f->on_change(f->arg);
    json_free(doc);
}

/* One without an address yet is looked at when it has one. */
static void
look(struct findings *f)
{
    struct fleet *fleet = f->next;

    for (unsigned i = 0; i < fleet->n_clusters; i++) {
        struct known *k = &f->known[fleet->clusters[i].cluster->slot];

        if (!k->is_seen && !k->look && fleet->clusters[i].n_backends)
            k->look = claim_look_start(f->up, fleet, i, ANSWER_US, on_look, f);
    }
}

static void
look_again(void *arg)
{
    struct findings *f = arg;

    if (f->again_us < ROUND_US)
        f->again_us *= 2;
    if (f->next)
        look(f);
}

void
findings_cluster_is_up(struct findings *f, const struct cluster *cluster)
{
    const struct known *k = &f->known[cluster->slot];

    if (!k->is_seen && !k->look)
        timer_set(&f->again, 0);
}

/* --- rounds ------------------------------------------------------------------------------------------------------ */

static bool
take_answer(struct findings *f, unsigned part)
{
    struct group_part *p = &f->group.parts[part];
    unsigned cluster = part / f->n_asks, ask = part % f->n_asks;
    struct known *k = &f->known[f->fleet->clusters[cluster].cluster->slot];
    struct json_doc *doc;
    bool is_changed = false;

    if (p->head && ask == ASK_ALIASES)
        note_refusal(
            f->fleet->clusters[cluster].cluster, &f->fleet->world->topology->clusters[cluster], p->head->status);
    if (!p->head || (p->head->status != 200 && ask != ASK_CLAIM))
        return false;
    doc = json_parse(buf_str(&p->body), NULL, NULL);
    if (doc && ask == ASK_VERSION)
        is_changed = take_version(k, json_root(doc));
    else if (doc && ask == ASK_CLAIM)
        is_changed = take_claim(k, f->fleet, cluster, p->head->status, json_root(doc));
    else if (doc)
        is_changed = take_aliases(k, f->fleet->world->map, json_root(doc));
    json_free(doc);
    return is_changed;
}

static void
end_round(void *arg)
{
    struct findings *f = arg;

    group_fini(&f->group);
    arena_reset(&f->arena);
    f->is_busy = false;
}

static void
on_round(void *arg, struct group *group)
{
    struct findings *f = arg;
    bool is_changed = false;

    for (unsigned i = 0; i < group->n; i++)
        is_changed |= take_answer(f, i);
    task_schedule(f->up->loop, &f->release, end_round, f);
    if (is_changed)
        f->on_change(f->arg);
}

static void
on_try(void *arg, const struct leg_try *t)
{
}

static void
prepare(struct findings *f, enum ask ask, struct str target)
{
    struct message *m = &f->heads[ask];

    message_init(m, &f->arena);
    m->method = METHOD_GET;
    m->method_text = STR("GET");
    m->target = target;
    message_add(m, STR("user-agent"), STR("sextant-probe"));
    operation_parse(METHOD_GET, target, &f->arena, &f->ops[ask]);
}

static bool
is_any_claimed(const struct findings *f)
{
    bool is_any = false;

    for (unsigned i = 0; i < CLUSTERS_MAX; i++)
        is_any = is_any || f->known[i].is_claimed;
    return is_any;
}

static void
begin_round(void *arg)
{
    struct findings *f = arg;

    timer_set(&f->timer, ROUND_US);
    if (f->is_busy || !f->next)
        return;
    f->is_busy = true;
    fleet_unref(f->fleet);
    f->fleet = fleet_ref(f->next);
    prepare(f, ASK_VERSION, STR("/"));
    prepare(f, ASK_ALIASES, STR("/aliases"));
    prepare(f, ASK_CLAIM, STR(CLAIM_TARGET));
    f->n_asks = f->n_rounds++ % CLAIM_ROUNDS == 0 || is_any_claimed(f) ? ASKS : ASK_CLAIM;
    group_init(&f->group, f->fleet->n_clusters * f->n_asks, ANSWER_BYTES, on_round, on_try, f);
    for (unsigned i = 0; i < f->group.n; i++) {
        struct leg_spec spec = {
            .op = &f->ops[i % f->n_asks],
            .head = &f->heads[i % f->n_asks],
            .body = &f->no_body,
            .arena = &f->arena,
            .candidates = &f->order[i / f->n_asks],
            .n_candidates = 1,
            .deadline_us = loop_now_us(f->up->loop) + ANSWER_US,
            .deadline_is_clients = true,
            .policy = leg_never_again,
            .credential = leg_fleet_key,
            .credential_arg = f->fleet,
        };
        group_start(&f->group, i, f->up, f->fleet, &spec);
    }
}

struct findings *
findings_new(struct upstream *up, void (*on_change)(void *arg), void *arg)
{
    struct findings *f = MEM_NEW(struct findings);

    f->up = up;
    f->on_change = on_change;
    f->arg = arg;
    f->no_body.is_complete = true;
    for (unsigned i = 0; i < CLUSTERS_MAX; i++)
        f->order[i] = (uint8_t)i;
    timer_init(&f->timer, up->loop, begin_round, f);
    timer_set(&f->timer, FIRST_US);
    timer_init(&f->again, up->loop, look_again, f);
    f->again_us = AGAIN_US;
    return f;
}

void
findings_free(struct findings *f)
{
    if (!f)
        return;
    task_cancel(&f->release);
    group_fini(&f->group);
    timer_fini(&f->timer);
    timer_fini(&f->again);
    for (unsigned i = 0; i < CLUSTERS_MAX; i++) {
        claim_look_cancel(&f->known[i].look);
        forget_crossing(&f->known[i]);
        mem_free(f->known[i].version);
    }
    arena_fini(&f->arena);
    fleet_unref(f->fleet);
    fleet_unref(f->next);
    mem_free(f);
}

void
findings_follow(struct findings *f, struct fleet *fleet)
{
    bool is_new_world = !f->next || f->next->world != fleet->world;

    fleet_ref(fleet);
    fleet_unref(f->next);
    f->next = fleet;
    if (is_new_world) {
        f->n_rounds = 0;
        timer_set(&f->timer, FIRST_US);
        f->again_us = AGAIN_US;
    }
    look(f);
}

/* By number, part for part: 1.9.0 is lower than 1.19.0. */
static bool
version_is_lower(const char *a, const char *b)
{
    while (*a || *b) {
        char *end_a, *end_b;
        unsigned long x = strtoul(a, &end_a, 10), y = strtoul(b, &end_b, 10);

        if (x != y)
            return x < y;
        a = *end_a ? end_a + 1 : end_a;
        b = *end_b ? end_b + 1 : end_b;
    }
    return false;
}

void
findings_apply(const struct findings *f, struct fleet *fresh)
{
    const char *lowest = NULL;
    uint64_t claimed = 0;
    unsigned total = 0, n = 0;
    struct str *names;

    for (unsigned i = 0; i < fresh->n_clusters; i++) {
        const struct known *k = &f->known[fresh->clusters[i].cluster->slot];

        total += k->n_crossing;
        claimed |= (uint64_t)k->is_claimed << i;
        if (k->version && (!lowest || version_is_lower(k->version, lowest)))
            lowest = k->version;
    }
    names = mem_array(total, sizeof(*names));
    for (unsigned i = 0; i < fresh->n_clusters; i++) {
        const struct known *k = &f->known[fresh->clusters[i].cluster->slot];

        for (unsigned j = 0; j < k->n_crossing; j++)
            names[n++] = str_from(k->crossing[j]);
    }
    fleet_set_findings(fresh, names, n, str_from(lowest), claimed);
    mem_free(names);
}
