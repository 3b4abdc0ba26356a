/* SPDX-License-Identifier: Apache-2.0
 *
 * One ship from one server to another, for the end-to-end tests: ship SPEC, with SPEC a JSON object.
 *
 *   source, target     URLs                      key          of both, if they want one
 *   collection         its name                  points       [{"id":…,"shard_key":…,"payload_only":true}, …]
 *   max_points         of a write                is_spread    true: the collection is, at the target
 *   timeout_ms         of each request (10000)   what         "ship", or "quiet": ask the target about itself
 *
 * Prints what came of it as JSON. Ends with 1 when the SPEC is no good.
 */
#include <stdio.h>

#include "proxy/base/mem.h"
#include "proxy/sync/quiet.h"
#include "proxy/sync/ship.h"

struct job {
    struct loop *loop;
    struct upstream *up;
    struct json spec;
    struct arena arena;
    struct state_point points[STATE_POINTS_MAX];
    bool payload_only[STATE_POINTS_MAX];
    unsigned n;
    struct state *state;
    struct buf out;
    struct json_writer w;
};

static int64_t
number(const struct job *job, const char *name, int64_t otherwise)
{
    uint64_t value;

    return str_to_u64(json_number(json_get(job->spec, name)), &value) ? (int64_t)value : otherwise;
}

static struct str
text(const struct job *job, const char *name)
{
    return json_string(json_get(job->spec, name));
}

static int64_t
timeout_us(const struct job *job)
{
    return number(job, "timeout_ms", 10000) * USEC_PER_MSEC;
}

static void
put_outcome(struct job *job, const struct outcome *o)
{
    json_member_str(&job->w, "kind", str_from(outcome_name(o->kind)));
    json_member_u64(&job->w, "status", (uint64_t)o->status);
    json_member_str(&job->w, "fail", str_from(fail_info(o->fail)->code));
    json_member_bool(&job->w, "later", o->may_land_later);
    json_member_u64(&job->w, "retry_after", (uint64_t)(o->retry_after_us / USEC_PER_SEC));
    json_member_str(&job->w, "text", buf_str(&o->text));
}

static void
put_id(struct job *job, unsigned row)
{
    struct buf id = { 0 };

    point_put_json(&job->state->rows[row].point.id, &id);
    json_put_raw(&job->w, buf_str(&id));
    buf_fini(&id);
}

static void
put_rows(struct job *job, const char *name, enum state_kind kind)
{
    json_key(&job->w, name);
    json_begin_array(&job->w);
    for (unsigned i = 0; i < job->state->n; i++) {
        if (job->state->rows[i].kind == kind)
            put_id(job, i);
    }
    json_end_array(&job->w);
}

/* --- ship -------------------------------------------------------------------------------------------------------- */

static void
on_write(void *arg, const struct ship_part *parts, unsigned n_parts)
{
    struct job *job = arg;

    json_key(&job->w, "write");
    json_begin_array(&job->w);
    for (unsigned i = 0; i < n_parts; i++) {
        json_begin_object(&job->w);
        put_outcome(job, &parts[i].outcome);
        json_key(&job->w, "ids");
        json_begin_array(&job->w);
        for (unsigned j = 0; j < parts[i].n; j++)
            put_id(job, parts[i].rows[j]);
        json_end_array(&job->w);
        json_end_object(&job->w);
    }
    json_end_array(&job->w);
    loop_stop(job->loop);
}

static bool
start_write(struct job *job)
{
    unsigned rows[STATE_POINTS_MAX];
    bool payload_only[STATE_POINTS_MAX];
    struct ship_write_spec spec = {
        .cluster = STR("target"),
        .collection = text(job, "collection"),
        .state = job->state,
        .rows = rows,
        .payload_only = payload_only,
        .max_points = (unsigned)number(job, "max_points", 0),
        .is_spread = json_bool(json_get(job->spec, "is_spread"), false),
        .timeout_us = timeout_us(job),
    };

    for (unsigned i = 0; i < job->n; i++) {
        if (job->state->rows[i].kind == STATE_UNREAD)
            continue;
        payload_only[spec.n] = job->payload_only[i];
        rows[spec.n++] = i;
    }
    if (spec.n)
        ship_write_start(job->up, &spec, on_write, job);
    return spec.n > 0;
}

static void
on_read(void *arg, struct state *state, const struct outcome *why)
{
    struct job *job = arg;

    job->state = state;
    json_key(&job->w, "read");
    json_begin_object(&job->w);
    put_outcome(job, why);
    put_rows(job, "present", STATE_PRESENT);
    put_rows(job, "absent", STATE_ABSENT);
    put_rows(job, "unread", STATE_UNREAD);
    json_end_object(&job->w);
    if (why->kind != OUTCOME_OK || !start_write(job))
        loop_stop(job->loop);
}

static bool
take_points(struct job *job)
{
    for (struct json_iter i = json_iter(json_get(job->spec, "points")); json_next(&i);) {
        struct state_point *p = &job->points[job->n];
        struct json key = json_get(i.value, "shard_key");
        struct buf key_text = { 0 };
        struct json_writer w = json_writer(&key_text);

        if (job->n == STATE_POINTS_MAX || !point_of_json(json_get(i.value, "id"), &p->id))
            return false;
        if (json_type(key) != JSON_NONE)
            json_put_value(&w, key);
        p->shard_key = arena_str(&job->arena, buf_str(&key_text));
        job->payload_only[job->n++] = json_bool(json_get(i.value, "payload_only"), false);
        buf_fini(&key_text);
    }
    return job->n > 0;
}

static bool
start_ship(struct job *job)
{
    struct ship_read_spec spec = {
        .cluster = STR("source"),
        .collection = text(job, "collection"),
        .points = job->points,
        .timeout_us = timeout_us(job),
    };

    if (!take_points(job))
        return false;
    spec.n = job->n;
    ship_read_start(job->up, &spec, on_read, job);
    return true;
}

/* --- quiet ------------------------------------------------------------------------------------------------------- */

static void
on_node(void *arg, const struct outcome *why, const struct quiet_node *node)
{
    struct job *job = arg;

    json_key(&job->w, "node");
    json_begin_object(&job->w);
    put_outcome(job, why);
    if (node) {
        json_member_str(&job->w, "id", str_from(node->id));
        json_member_str(&job->w, "version", str_from(node->version));
        json_member_bool(&job->w, "is_recent", node->is_recent);
        json_member_bool(&job->w, "is_alone", node->is_alone);
    }
    json_end_object(&job->w);
    loop_stop(job->loop);
}

static void
on_collection(void *arg, const struct outcome *why, const struct quiet_collection *c)
{
    struct job *job = arg;

    json_key(&job->w, "collection");
    json_begin_object(&job->w);
    put_outcome(job, why);
    if (c) {
        json_member_bool(&job->w, "is_quiet", c->is_quiet);
        json_member_bool(&job->w, "is_spread", c->is_spread);
        json_member_u64(&job->w, "upsert_max", c->upsert_max);
        json_member_u64(&job->w, "timeout_max", c->timeout_max_s);
    }
    json_end_object(&job->w);
    quiet_ask_node(job->up, STR("target"), 1, timeout_us(job), on_node, job);
}

static bool
start_quiet(struct job *job)
{
    quiet_ask_collection(job->up, STR("target"), text(job, "collection"), timeout_us(job), on_collection, job);
    return true;
}

/* --- the program ------------------------------------------------------------------------------------------------- */

static unsigned
resolve_nothing(void *arg, struct str host, struct addr *ret_addrs, unsigned room)
{
    return 0;
}

static struct world *
load(struct job *job)
{
    struct str key = text(job, "key");
    const char *env[8] = { "SEXTANT_PARTITION_MAP=* *=source", "SEXTANT_REGION=DE" };
    unsigned n = 2;
    struct conf_issues issues = { .arena = &job->arena };
    struct buf said = { 0 };
    struct world *world;

    env[n++] = arena_printf(&job->arena, "SEXTANT_CLUSTERS=source " STR_FMT " at=DE; target " STR_FMT " at=FR",
        STR_ARG(text(job, "source")), STR_ARG(text(job, "target")))
                   .p;
    if (key.len) {
        env[n++] = "SEXTANT_API_KEY=a-key-of-the-edge-itself";
        env[n++] = arena_printf(&job->arena, "SEXTANT_CLUSTER_SOURCE_API_KEY=" STR_FMT, STR_ARG(key)).p;
        env[n++] = arena_printf(&job->arena, "SEXTANT_CLUSTER_TARGET_API_KEY=" STR_FMT, STR_ARG(key)).p;
    }
    env[n] = NULL;
    world = world_load((char **)(uintptr_t)env, 1, &issues);
    conf_issues_print(&issues, &said);
    if (!world)
        fprintf(stderr, STR_FMT, STR_ARG(buf_str(&said)));
    buf_fini(&said);
    return world;
}

static bool
run(struct job *job, struct world *world)
{
    struct registry *registry = registry_new();
    struct fleet *fleet = fleet_build(registry, world, resolve_nothing, NULL);
    struct metrics *metrics = metrics_new();
    bool is_started;

    job->loop = loop_new();
    job->up = upstream_new(job->loop, metrics, fleet, 1);
    job->w = json_writer(&job->out);
    json_begin_object(&job->w);
    is_started = str_eq(text(job, "what"), STR("quiet")) ? start_quiet(job) : start_ship(job);
    if (is_started)
        loop_run(job->loop);
    loop_settle(job->loop);
    json_end_object(&job->w);
    state_unref(job->state);
    upstream_free(job->up);
    metrics_free(metrics);
    fleet_unref(fleet);
    registry_free(registry);
    loop_free(job->loop);
    return is_started;
}

int
main(int argc, char **argv)
{
    struct json_doc *doc = json_parse(str_from(argc == 2 ? argv[1] : ""), NULL, NULL);
    struct job job = { .spec = doc ? json_root(doc) : (struct json){ NULL } };
    struct world *world = doc ? load(&job) : NULL;
    bool is_done = world && run(&job, world);

    if (is_done)
        printf(STR_FMT "\n", STR_ARG(buf_str(&job.out)));
    world_unref(world);
    buf_fini(&job.out);
    arena_fini(&job.arena);
    json_free(doc);
    return is_done ? 0 : 1;
}
