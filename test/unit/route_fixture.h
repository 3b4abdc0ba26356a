/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_ROUTE_FIXTURE_H
#define SEXTANT_TEST_UNIT_ROUTE_FIXTURE_H

/* Worlds, callers and plans as one line of text each, for the tests of proxy/route. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/route/plan.h"

/* What world_load() says of these NAME=VALUE lines; the issues are printed into `issues` when it is given. */
static inline struct world *
fixture_load(const char *const *env, struct buf *issues)
{
    struct arena arena = { 0 };
    struct conf_issues found = { .arena = &arena };
    struct world *w = world_load((char **)(uintptr_t)env, 1, &found);

    if (issues)
        conf_issues_print(&found, issues);
    arena_fini(&arena);
    return w;
}

static inline struct world *
fixture_world(const char *const *env)
{
    struct buf issues = { 0 };
    struct world *w = fixture_load(env, &issues);

    if (!w)
        fail_msg("no world:\n" STR_FMT, STR_ARG(buf_str(&issues)));
    buf_fini(&issues);
    return w;
}

static inline struct str
fixture_word(struct str *rest)
{
    struct str word;

    *rest = str_trim(*rest);
    str_cut(*rest, ' ', &word, rest);
    return word;
}

/* "eu=10 us=80! ap=90~ in=7~2": cost in ms, "!" is down, "^" is claimed, "~" is drained, "~2": its endpoint 2 is,
 * "?eu": it lacks data of home eu. Clusters that are not named are up and cost 1000. */
static inline void
fixture_views(const struct world *w, struct str text, struct cluster_view views[CLUSTERS_MAX])
{
    for (unsigned i = 0; i < w->topology->n_clusters; i++)
        views[i] = (struct cluster_view){ .is_up = true, .cost_ms = 1000, .rtt_ms = -1, .distance_km = -1 };
    for (struct str word = fixture_word(&text); word.len; word = fixture_word(&text)) {
        struct str name, cost;
        int cluster;

        str_cut(word, '=', &name, &cost);
        cluster = topology_find(w->topology, name);
        assert_true(cluster >= 0);
        if (str_cut(cost, '?', &cost, &name))
            views[cluster].lacks = UINT64_C(1) << topology_find(w->topology, name);
        if (str_find(cost, '~') >= 0) {
            uint64_t endpoint;

            str_cut(cost, '~', &cost, &name);
            views[cluster].held_endpoints = UINT64_MAX;
            if (str_to_u64(name, &endpoint))
                views[cluster].held_endpoints = UINT64_C(1) << (endpoint - 1);
            else
                views[cluster].hold = HOLD_DRAIN;
            views[cluster].is_up &= views[cluster].hold == HOLD_NONE;
            views[cluster].hold_reason = STR("new disks");
        }
        if (str_ends(cost, STR("^"))) {
            views[cluster].is_claimed = true;
            cost.len--;
        }
        if (str_ends(cost, STR("!"))) {
            views[cluster].is_up = false;
            cost.len--;
        }
        assert_true(str_to_double(cost, &views[cluster].cost_ms));
    }
}

/* "DE", "unplaced", "192.0.2.1", then "default" (by SEXTANT_DEFAULT_PLACE), "trusted", "cluster=", "endpoint=", "partition=". */
static inline void
fixture_caller(struct str text, struct caller *c)
{
    *c = (struct caller){ .address = { .family = 4, .bytes = { 203, 0, 113, 9 } } };
    for (struct str word = fixture_word(&text); word.len; word = fixture_word(&text)) {
        struct str name, value;

        str_cut(word, '=', &name, &value);
        if (str_eq(name, STR("trusted")))
            c->is_trusted = true;
        else if (str_eq(name, STR("cluster")))
            c->hint_cluster = value;
        else if (str_eq(name, STR("endpoint")))
            c->hint_endpoint = value;
        else if (str_eq(name, STR("partition")))
            c->hint_partition = value;
        else if (str_eq(name, STR("default")))
            c->place.source = PLACE_DEFAULT;
        else if (str_eq(name, STR("unplaced")))
            c->place = (struct place){ .source = PLACE_NONE };
        else if (place_parse(name, &c->place))
            c->place.source = PLACE_DATABASE;
        else if (!addr_parse(name, &c->address))
            fail_msg("not a caller: " STR_FMT, STR_ARG(word));
    }
    c->last_hop = c->address;
}

static inline void
fixture_put_clusters(
    const struct world *w, const struct cluster_view *views, const uint8_t *clusters, unsigned n, struct buf *out)
{
    for (unsigned i = 0; i < n; i++) {
        buf_printf(out, " " STR_FMT "%s", STR_ARG(w->topology->clusters[clusters[i]].name),
            views[clusters[i]].is_up ? "" : "!");
    }
}

static inline void
fixture_put_parts(const struct world *w, const struct cluster_view *views, const struct plan *plan, struct buf *out)
{
    for (unsigned i = 0; i < plan->n_parts; i++) {
        const struct plan_part *part = &plan->parts[i];

        fixture_put_clusters(w, views, part->candidates, part->n_candidates, out);
        for (unsigned k = 0, n = 0; k < w->map->n_rules; k++) {
            if (part->rules[k / 64] >> k % 64 & 1)
                buf_printf(out, "%s%u", n++ ? "," : ":", k + 1);
        }
        buf_add(out, i + 1 < plan->n_parts ? STR(";") : STR(""));
    }
}

/* "forward eu us! (nearest, moves)", "forward eu/1 (node)", "schema eu us (every-home)", "lists eu:1,3; us:2",
 * "refuse BAD_HINT", "local"; "!" marks clusters that are down. */
static inline void
fixture_put_plan(const struct world *w, const struct cluster_view *views, const struct plan *plan, struct buf *out)
{
    static const char *const shapes[] = { "refuse", "local", "forward", "edge", "lists", "schema" };

    buf_printf(out, "%s", shapes[plan->shape]);
    if (plan->shape == PLAN_REFUSE)
        buf_printf(out, " %s", fail_info(plan->fail)->code);
    if (plan->shape == PLAN_REFUSE && (plan->held || plan->incomplete))
        buf_printf(out, ": " STR_FMT, STR_ARG(plan->detail));
    fixture_put_clusters(w, views, plan->candidates, plan->n_candidates, out);
    if (plan->endpoint)
        buf_printf(out, "/%u", plan->endpoint);
    if (plan->shape == PLAN_FORWARD || plan->shape == PLAN_SCHEMA)
        buf_printf(out, " (%s%s)", plan_reason_name(plan->reason), plan->may_move ? ", moves" : "");
    if (plan->shape == PLAN_LISTS)
        fixture_put_parts(w, views, plan, out);
}

/* "POST /collections/users/points" */
static inline void
fixture_operation(struct str text, struct arena *arena, struct operation *op)
{
    struct str method = fixture_word(&text);

    assert_int_equal(operation_parse(method_parse(method), str_trim(text), arena, op), FAIL_NONE);
}

#endif
