/* SPDX-License-Identifier: Apache-2.0
 *
 * What one decision costs with 20 clusters and 200 lines: caller, rule, partition, order. Best case: the first line
 * matches; worst case: the last. Nothing is measured but decisions; operations are parsed before.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/base/clock.h"
#include "proxy/route/plan.h"

enum { N_CLUSTERS = 20, N_LINES = 200, ROUNDS = 200000 };

static struct world *
make_world(void)
{
    struct buf clusters = { 0 }, map = { 0 }, text = { 0 };
    struct arena arena = { 0 };
    struct conf_issues issues = { .arena = &arena };
    const char *env[] = { NULL, NULL, "SEXTANT_TRUSTED_PROXIES=10.0.0.0/8,fd00::/8",
        "SEXTANT_OVERRIDES=198.51.100.0/24=DE", NULL };
    struct world *w;

    buf_printf(&clusters, "SEXTANT_CLUSTERS=");
    buf_printf(&map, "SEXTANT_PARTITION_MAP=");
    for (int i = 0; i < N_CLUSTERS; i++)
        buf_printf(&clusters, "q%d http://127.0.0.1:%d at=%d,%d\n", i, 7000 + i, i, i);
    for (int i = 0; i < N_LINES; i++) {
        buf_printf(&map, "collection_%d europe=q0", i);
        for (int k = 1; k < N_CLUSTERS; k++)
            buf_printf(&map, ",q%d", k);
        buf_printf(&map, " *=q1 copies=external\n");
    }
    buf_putc(&clusters, '\0');
    buf_putc(&map, '\0');
    env[0] = buf_str(&clusters).p;
    env[1] = buf_str(&map).p;
    w = world_load((char **)(uintptr_t)env, 1, &issues);
    conf_issues_print(&issues, &text);
    if (!w)
        printf(STR_FMT, STR_ARG(buf_str(&text)));
    buf_fini(&clusters);
    buf_fini(&map);
    buf_fini(&text);
    arena_fini(&arena);
    return w;
}

static void
measure(const struct world *w, const char *what, const char *target)
{
    struct arena arena = { 0 };
    struct message m;
    struct addr peer;
    struct caller caller;
    struct operation op;
    struct plan plan;
    struct str error;
    struct name_list no_names = { 0 };
    struct cluster_view views[CLUSTERS_MAX] = { 0 };
    int64_t start, resolved, planned;

    for (unsigned i = 0; i < N_CLUSTERS; i++)
        views[i] = (struct cluster_view){ .is_up = i % 5 != 0, .cost_ms = (i * 7) % N_CLUSTERS };
    message_init(&m, &arena);
    for (int i = 0; i < 12; i++)
        message_add(&m, STR("x-some-header"), STR("value"));
    message_add_id(&m, FIELD_X_FORWARDED_FOR, STR("198.51.100.7, 10.0.0.2"));
    if (!addr_parse(STR("10.0.0.1"), &peer) || operation_parse(METHOD_POST, str_from(target), &arena, &op))
        abort();
    start = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++)
        caller_resolve(w, &peer, false, &m, &caller, &error);
    resolved = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++)
        plan_build(w, &caller, &op, &no_names, views, &arena, &plan);
    planned = clock_mono_us();
    printf("%-28s caller %4" PRId64 " ns   plan %4" PRId64 " ns   (%u candidates)\n", what,
        (resolved - start) * 1000 / ROUNDS, (planned - resolved) * 1000 / ROUNDS, plan.n_candidates);
    arena_fini(&arena);
}

int
main(void)
{
    struct world *w = make_world();

    if (!w)
        return 1;
    measure(w, "first of 200 lines", "/collections/collection_0/points/scroll");
    measure(w, "last of 200 lines", "/collections/collection_199/points/scroll");
    measure(w, "no line", "/collections/other/points/scroll");
    world_unref(w);
    return 0;
}
