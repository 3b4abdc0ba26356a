/* SPDX-License-Identifier: Apache-2.0
 *
 * One edge's claim on a home, or one look at a copy, for the end-to-end tests: claim SPEC, with SPEC a JSON object.
 *
 *   url, key                       of the cluster
 *   journal, starts, identity, has_claimed, may_replace, lsn, floor_lsn      as in claim.h
 *   home                           its identity: then the cluster is a copy, which is checked
 *   position                       and this one left there
 *
 * A claim is held until SIGTERM gives it back; each change is a line of JSON. Ends with 1 when the SPEC is no good.
 */
#include <signal.h>
#include <stdio.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/json.h"
#include "proxy/base/mem.h"
#include "proxy/sync/claim.h"
#include "proxy/sync/copy_check.h"

extern char **environ;

#define LOOK_US (10 * USEC_PER_MSEC)

struct job {
    struct loop *loop;
    struct upstream *up;
    struct json spec;
    struct arena arena;
    struct claim *claim;
    struct timer look;
    struct buf shown; /* the line that was printed last, but for its time */
};

static const char *
text(struct job *job, const char *name)
{
    return arena_printf(&job->arena, STR_FMT, STR_ARG(json_string(json_get(job->spec, name)))).p;
}

static uint64_t
number(const struct job *job, const char *name, uint64_t otherwise)
{
    uint64_t value;

    return str_to_u64(json_number(json_get(job->spec, name)), &value) ? value : otherwise;
}

static bool
flag(const struct job *job, const char *name)
{
    return json_bool(json_get(job->spec, name), false);
}

/* --- a claim ----------------------------------------------------------------------------------------------------- */

static void
put_view(struct job *job, bool may_send, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_member_bool(&w, "may_send", may_send);
    json_member_str(&w, "state", str_from(tenure_state_name(claim_state(job->claim))));
    json_member_str(&w, "why", str_from(tenure_sentence(claim_why(job->claim))));
    json_member_str(&w, "trouble", claim_trouble(job->claim));
    json_member_str(&w, "identity", str_from(claim_identity(job->claim)));
    json_member_u64(&w, "rewinds", claim_rewinds(job->claim));
}

static void
look(void *arg)
{
    struct job *job = arg;
    int64_t now = clock_boot_us();
    struct buf view = { 0 };

    put_view(job, claim_may_send(job->claim, now), &view);
    if (!str_eq(buf_str(&view), buf_str(&job->shown))) {
        printf(STR_FMT ",\"at_us\":%lld}\n", STR_ARG(buf_str(&view)), (long long)now);
        fflush(stdout);
        buf_clear(&job->shown);
        buf_add(&job->shown, buf_str(&view));
    }
    buf_fini(&view);
    if (claim_state(job->claim) == TENURE_RELEASED)
        loop_stop(job->loop);
    timer_set(&job->look, LOOK_US);
}

static void
on_stop(int number, void *arg)
{
    struct job *job = arg;

    claim_release(job->claim);
    if (claim_state(job->claim) == TENURE_FROZEN)
        loop_stop(job->loop);
    look(job);
}

static void
hold(struct job *job)
{
    struct claim_spec spec = { .home = STR("eu"),
        .journal = text(job, "journal"),
        .starts = number(job, "starts", 1),
        .identity = text(job, "identity"),
        .has_claimed = flag(job, "has_claimed"),
        .may_replace = flag(job, "may_replace"),
        .lsn = number(job, "lsn", 0),
        .floor_lsn = number(job, "floor_lsn", 0) };
    struct signal_watch *stop = signal_watch_new(job->loop, SIGTERM, on_stop, job);

    timer_init(&job->look, job->loop, look, job);
    job->claim = claim_new(job->up, &spec, look, job);
    look(job);
    loop_run(job->loop);
    timer_fini(&job->look);
    claim_free(job->claim);
    signal_watch_free(stop);
}

/* --- a copy ------------------------------------------------------------------------------------------------------ */

static void
on_mark(void *arg, struct str trouble)
{
    struct job *job = arg;

    printf("{\"marked\":%s}\n", trouble.len ? "false" : "true");
    loop_stop(job->loop);
}

static void
on_check(void *arg, const struct copy_result *r)
{
    struct job *job = arg;
    struct copy_note note = { .position = number(job, "position", 0) };
    struct buf out = { 0 };
    struct json_writer w = json_writer(&out);

    json_begin_object(&w);
    json_member_str(&w, "trouble", r->trouble);
    json_member_str(&w, "verdict", str_from(r->trouble.len ? "" : copy_verdict_name(r->verdict)));
    json_member_str(&w, "why", str_from(r->why ? r->why : ""));
    json_member_str(&w, "identity", str_from(r->identity));
    json_member_u64(&w, "position", r->position);
    json_end_object(&w);
    printf(STR_FMT "\n", STR_ARG(buf_str(&out)));
    buf_fini(&out);
    memcpy(note.journal, text(job, "journal"), NOTES_UUID_LEN);
    if (note.position)
        copy_mark_start(job->up, STR("eu"), text(job, "home"), &note, 5 * USEC_PER_SEC, on_mark, job);
    else
        loop_stop(job->loop);
}

static void
check(struct job *job)
{
    struct copy_spec spec = { .cluster = STR("eu"),
        .home = text(job, "home"),
        .journal = text(job, "journal"),
        .identity = text(job, "identity"),
        .lsn = number(job, "lsn", 0) };

    copy_check_start(job->up, &spec, 10 * USEC_PER_SEC, on_check, job);
    loop_run(job->loop);
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
    const char *key = text(job, "key"), *env[4] = { NULL };
    struct conf_issues issues = { .arena = &job->arena };
    struct buf said = { 0 };
    struct world *world;

    env[0] = arena_printf(&job->arena, "SEXTANT_CLUSTERS=eu %s at=DE", text(job, "url")).p;
    if (key[0]) {
        env[1] = "SEXTANT_API_KEY=a-key-of-the-edge-itself";
        env[2] = arena_printf(&job->arena, "SEXTANT_CLUSTER_EU_API_KEY=%s", key).p;
    }
    world = world_load((char **)(uintptr_t)env, 1, &issues);
    conf_issues_print(&issues, &said);
    if (!world)
        fprintf(stderr, STR_FMT, STR_ARG(buf_str(&said)));
    buf_fini(&said);
    return world;
}

static void
run(struct job *job, struct world *world)
{
    struct registry *registry = registry_new();
    struct fleet *fleet = fleet_build(registry, world, resolve_nothing, NULL);
    struct metrics *metrics = metrics_new();

    job->loop = loop_new();
    job->up = upstream_new(job->loop, metrics, fleet, 1);
    if (text(job, "home")[0])
        check(job);
    else
        hold(job);
    loop_settle(job->loop);
    upstream_free(job->up);
    metrics_free(metrics);
    fleet_unref(fleet);
    registry_free(registry);
    loop_free(job->loop);
}

int
main(int argc, char **argv)
{
    struct json_doc *doc = json_parse(str_from(argc == 2 ? argv[1] : ""), NULL, NULL);
    struct job job = { .spec = doc ? json_root(doc) : (struct json){ NULL } };
    bool is_good = crash_point_arm_from(environ) && doc && notes_is_uuid(json_string(json_get(job.spec, "journal")));
    struct world *world = is_good ? load(&job) : NULL;

    signal(SIGPIPE, SIG_IGN);
    if (world)
        run(&job, world);
    world_unref(world);
    buf_fini(&job.shown);
    arena_fini(&job.arena);
    json_free(doc);
    return world ? 0 : 1;
}
