/* SPDX-License-Identifier: Apache-2.0
 *
 * The world of the flow tests: three regions, an edge in Frankfurt. See flow_lib.h.
 */
#include "test/flow/flow_lib.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/flow/session.h"

static const int64_t start_us = INT64_C(1000) * 1000 * 1000;

static const char *const usual[] = {
    "SEXTANT_CLUSTERS=eu http://127.0.0.1:1001 at=aws:eu-central-1; us http://127.0.0.1:2001 at=aws:us-east-1; "
    "ap http://127.0.0.1:3001 at=aws:ap-northeast-1",
    "SEXTANT_PARTITION_MAP=users europe=eu *=us; books *=eu,us copies=external; near *=eu,us copies=external "
    "write=nearest; "
    "* *=eu,us,ap copies=external",
    "SEXTANT_REGION=aws:eu-central-1",
    "SEXTANT_OVERRIDES=192.0.2.0/24=DE,198.51.100.0/24=US",
};

/* --- the edge ---------------------------------------------------------------------------------------------------- */

static bool
is_given(const char *const *env, const char *line)
{
    size_t name_len = (size_t)(strchr(line, '=') - line) + 1;

    for (; *env; env++) {
        if (strncmp(*env, line, name_len) == 0)
            return true;
    }
    return false;
}

static struct world *
load(const char *const *env)
{
    const char *all[FLOW_ENV + 8];
    unsigned n = 0;
    struct arena arena = { 0 };
    struct buf text = { 0 };
    struct conf_issues issues = { .arena = &arena };
    struct world *w;

    for (const char *const *e = env; *e && n < FLOW_ENV; e++)
        all[n++] = *e;
    for (unsigned i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        if (!is_given(env, usual[i]))
            all[n++] = usual[i];
    }
    all[n] = NULL;
    w = world_load((char **)(uintptr_t)all, 1, &issues);
    if (!w) {
        conf_issues_print(&issues, &text);
        fail_msg("no world:\n" STR_FMT, STR_ARG(buf_str(&text)));
    }
    arena_fini(&arena);
    return w;
}

static unsigned
resolve_nothing(void *arg, struct str host, struct addr *ret_addrs, unsigned room)
{
    return 0;
}

static struct stream *
dial(void *arg, struct loop *loop, const struct backend *b, int64_t user_timeout_ms, int *ret_error)
{
    struct flow *f = arg;
    struct stream *theirs;
    struct end *e;

    if (f->is_refused[b->id]) {
        *ret_error = -ECONNREFUSED;
        return NULL;
    }
    assert_true(f->n_dials < FLOW_DIALS);
    e = &f->dials[f->n_dials++];
    e->backend = b;
    stream_pair(loop, FLOW_CAPACITY, &theirs, &e->stream);
    return theirs;
}

static void
take_fallen(void *arg)
{
    struct flow *f = arg;

    while (f->n_fallen)
        upstream_backend_fell(f->up, f->fallen[--f->n_fallen]);
}

/* As the control thread does: told in the middle of something, acted on from the loop. */
static void
on_change(void *arg, struct backend *b, enum health_state from, enum health_state to)
{
    struct flow *f = arg;

    if (health_is_usable(to) || f->n_fallen == 16)
        return;
    f->fallen[f->n_fallen++] = b;
    loop_post(f->loop, take_fallen, f);
}

void
flow_init(struct flow *f, const char *const *env)
{
    *f = (struct flow){ .loop = loop_new_virtual(start_us), .world = load(env) };
    edge_shared_init(&f->shared);
    f->shared.hash_key = (struct hash_key){ 1, 2 }; /* callers of one case never share a bin by chance */
    atomic_store(&f->shared.is_ready, true);
    f->registry = registry_new();
    f->fleet = fleet_build(f->registry, f->world, resolve_nothing, NULL);
    f->holds = holds_new();
    f->metrics = metrics_new();
    f->residency = residency_new();
    f->up = upstream_new(f->loop, f->metrics, f->fleet, 1);
    f->up->dial = dial;
    f->up->dial_arg = f;
    f->edge = edge_new(f->loop, f->up, f->metrics, f->residency, &f->shared, NULL);
    backend_on_change(on_change, f);
}

void
flow_fini(struct flow *f)
{
    backend_on_change(NULL, NULL);
    for (unsigned i = 0; i < FLOW_CLIENTS; i++)
        end_close(&f->clients[i], false);
    edge_free(f->edge);
    loop_settle(f->loop);
    upstream_free(f->up);
    for (unsigned i = 0; i < f->n_dials; i++)
        end_close(&f->dials[i], false);
    for (unsigned i = 0; i < FLOW_CLIENTS; i++)
        buf_fini(&f->clients[i].got);
    for (unsigned i = 0; i < f->n_dials; i++)
        buf_fini(&f->dials[i].got);
    residency_free(f->residency);
    metrics_free(f->metrics);
    fleet_unref(f->fleet);
    holds_free(f->holds);
    registry_free(f->registry);
    world_unref(f->world);
    loop_free(f->loop);
    edge_shared_fini(&f->shared);
}

/* --- ends -------------------------------------------------------------------------------------------------------- */

struct backend *
flow_backend(const struct flow *f, struct str name)
{
    struct str cluster, number;
    uint64_t endpoint;
    int at;

    str_cut(name, '#', &name, &number);
    str_cut(name, '/', &cluster, &number);
    at = topology_find(f->world->topology, cluster);
    if (at < 0 || !str_to_u64(number, &endpoint))
        return NULL;
    for (unsigned i = 0; i < f->fleet->clusters[at].n_backends; i++) {
        if (f->fleet->clusters[at].backends[i].endpoint == endpoint)
            return f->fleet->clusters[at].backends[i].backend;
    }
    return NULL;
}

struct end *
flow_dial(struct flow *f, struct str name)
{
    const struct backend *b = flow_backend(f, name);
    struct str rest, number;
    uint64_t wanted = 0, seen = 0;
    struct end *found = NULL;

    if (str_cut(name, '#', &rest, &number) && !str_to_u64(number, &wanted))
        return NULL;
    for (unsigned i = 0; i < f->n_dials; i++) {
        if (f->dials[i].backend != b)
            continue;
        found = &f->dials[i];
        if (++seen == wanted)
            return found;
    }
    return wanted ? NULL : found;
}

unsigned
flow_dials(const struct flow *f, struct str name)
{
    const struct backend *b = flow_backend(f, name);
    unsigned n = 0;

    for (unsigned i = 0; i < f->n_dials; i++)
        n += f->dials[i].backend == b;
    return n;
}

struct end *
flow_client(struct flow *f, unsigned number, const struct addr *given)
{
    struct end *e = &f->clients[number - 1];
    struct addr address = { .family = 4, .bytes = { 192, 0, 2, (uint8_t)number } };
    struct stream *theirs;

    if (e->stream || e->has_ended || e->error)
        return e;
    if (given->family)
        address = *given;
    stream_pair(f->loop, FLOW_CAPACITY, &theirs, &e->stream);
    stream_memory_set_peer(theirs, &address, 40000);
    session_new(f->edge, theirs, DOOR_PLAIN);
    return e;
}

/* True when something came. */
static bool
read_end(struct end *e)
{
    bool moved = false;

    while (e->stream && !e->is_paused && !e->has_ended && !e->error) {
        ssize_t n = stream_read(e->stream, buf_reserve(&e->got, 16384), 16384);

        if (n == -EAGAIN)
            break;
        moved = true;
        if (n > 0)
            buf_commit(&e->got, (size_t)n);
        else if (n == 0)
            e->has_ended = true;
        else
            e->error = (int)n;
    }
    return moved;
}

void
flow_settle(struct flow *f)
{
    bool moved;

    do {
        moved = false;
        loop_advance(f->loop, 0);
        for (unsigned i = 0; i < FLOW_CLIENTS; i++)
            moved |= read_end(&f->clients[i]);
        for (unsigned i = 0; i < f->n_dials; i++)
            moved |= read_end(&f->dials[i]);
    } while (moved);
}

void
flow_hold(struct flow *f, struct str order)
{
    struct hold change = { .kind = HOLD_NONE, .reason = STR("new disks") };
    struct holds *fresh;
    struct str kind, target;

    str_cut(str_trim(order), ' ', &kind, &target);
    change.kind = str_eq(kind, STR("drain")) ? HOLD_DRAIN : str_eq(kind, STR("down")) ? HOLD_DOWN : HOLD_NONE;
    assert_true(hold_target_parse(target, &change.cluster, &change.endpoint));
    fresh = holds_change(f->holds, &change);
    holds_free(f->holds);
    f->holds = fresh;
    fleet_set_holds(f->fleet, fresh);
    for (unsigned i = 0; i < f->fleet->n_clusters && change.kind == HOLD_DOWN; i++) {
        const struct fleet_cluster *fc = &f->fleet->clusters[i];

        for (unsigned j = 0; j < fc->n_backends; j++) {
            if (cluster_holds(fc->cluster, fc->backends[j].endpoint))
                upstream_backend_fell(f->up, fc->backends[j].backend);
        }
    }
    flow_settle(f);
}

void
flow_wait(struct flow *f, int64_t us)
{
    flow_settle(f);
    loop_advance(f->loop, us);
    flow_settle(f);
}

void
end_send(struct flow *f, struct end *e, struct str bytes)
{
    while (bytes.len) {
        struct iovec iov = { (void *)(uintptr_t)bytes.p, bytes.len };
        ssize_t n = e->stream ? stream_write(e->stream, &iov, 1) : -EBADF;

        if (n < 0 && n != -EAGAIN)
            return; /* the proxy hung up: what it answered tells why */
        if (n > 0)
            bytes = str_skip(bytes, (size_t)n);
        flow_settle(f);
        if (n == -EAGAIN) {
            n = stream_write(e->stream, &iov, 1);
            if (n == -EAGAIN)
                fail_msg("nobody reads: %zu bytes are left", bytes.len);
            bytes = str_skip(bytes, n > 0 ? (size_t)n : bytes.len);
        }
    }
}

void
end_close(struct end *e, bool with_reset)
{
    if (!e->stream)
        return;
    if (with_reset)
        stream_abort(&e->stream);
    else
        stream_close(&e->stream);
}
