/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes that say by a filter which points they are for. Alone in the collection, the ids are read from home, so that the write
 * can be recorded and sent by ids. A batch with a filter is done operation by operation, as the second may select what the first
 * has changed; it stops at the first error, and what came before stays, as at Qdrant. See owner_job.h.
 */
#include "proxy/base/crash_point.h"
#include "proxy/base/json.h"
#include "proxy/base/mem.h"
#include "proxy/route/path.h"
#include "proxy/sync/owner_job.h"

enum { PAGE_POINTS = 2000, FOUND_MAX = 100000, PAGE_BYTES = 4 << 20, PARTS_MAX = 1000 };

static void do_step(struct job *job);
static void ask_page(struct job *job, struct str offset);

/* --- the ids of a filter ----------------------------------------------------------------------------------------- */

static void
fail_scan(struct job *job, const struct ask_answer *answer)
{
    bool is_refused = answer->fail == FAIL_NONE && answer->status >= 400 && answer->status < 500 &&
                      answer->status != 408;

    if (!is_refused) {
        job_refuse(job, FAIL_NO_HEALTHY_CLUSTER,
            answer->fail != FAIL_NONE ? str_from(fail_info(answer->fail)->sentence)
                                      : STR("it could not look up the points that the filter selects"));
        return;
    }
    job->order->verdict = VERDICT_REJECTED; /* home does not take the filter: in its words */
    order_pass(job->order, answer);
    job_answer(job);
}

static bool
add_found(struct job *job, struct json id)
{
    if (job->n_found == job->room_found) {
        job->room_found = job->room_found ? job->room_found * 2 : PAGE_POINTS;
        job->found = mem_grow(job->found, job->room_found * sizeof(*job->found));
    }
    return point_of_json(id, &job->found[job->n_found++]);
}

/* Of one page; *ret_next is where the next begins, empty when there is none. */
static bool
take_page(struct job *job, struct str body, struct buf *ret_next)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct json result = json_get(json_root(doc), "result"), points = json_get(result, "points");
    struct json next = json_get(result, "next_page_offset");
    struct json_writer w = json_writer(ret_next);
    bool is_good = json_type(points) == JSON_ARRAY && json_type(next) != JSON_NONE;

    for (struct json_iter i = json_iter(points); is_good && json_next(&i);)
        is_good = add_found(job, json_get(i.value, "id"));
    if (json_type(next) != JSON_NULL)
        json_put_value(&w, next);
    json_free(doc);
    return is_good;
}

void
job_finish_scan(struct job *job)
{
    struct buf by_ids = { 0 };
    struct point_id *ids;
    unsigned n;

    if (!job_make_points(job)) {
        ids = NULL;
        n = 0;
    } else {
        n = job->n_points;
        ids = mem_array(n, sizeof(*ids));
        for (unsigned i = 0; i < n; i++)
            ids[i] = job->points[i].point;
    }
    if (touch_with_ids(job->op, buf_str(&job->body), TOUCH_FORM_EXISTING, ids, n, &by_ids)) {
        buf_fini(&job->body);
        job->body = by_ids;
        crash_point(CRASH_AT_OWNER_SCANNED);
        do_step(job);
    } else {
        buf_fini(&by_ids);
        job_refuse(job, FAIL_BODY_UNCLEAR, STR_NONE);
    }
    mem_free(ids);
}

static void
on_page(void *arg, const struct ask_answer *answer)
{
    struct job *job = arg;
    struct home *h = job->home;
    struct buf next = { 0 };

    job->ask = NULL;
    if (answer->connection_us > job->connection_us)
        job->connection_us = answer->connection_us;
    if (answer->fail != FAIL_NONE || answer->status != 200)
        fail_scan(job, answer);
    else if (!take_page(job, answer->body, &next))
        job_refuse(job, FAIL_UPSTREAM_PROTOCOL, STR_NONE);
    else if (job->n_found > FOUND_MAX)
        job_refuse(job, FAIL_FILTER_TOO_WIDE, STR_NONE);
    else if (buf_len(&next))
        ask_page(job, buf_str(&next));
    else if (watch_trusts(h, job->connection_us))
        job_finish_scan(job);
    else
        job_await_watch(job); /* a process that lacks something may have selected other points */
    buf_fini(&next);
    home_run(h);
}

static void
ask_page(struct job *job, struct str offset)
{
    struct owner *o = job->home->owner;
    struct arena *arena = &job->order->arena;
    struct buf body = { 0 };
    struct json_writer w = json_writer(&body);
    struct str key = job->touch->shard_keys[job->touch->scan_key];
    int64_t left_us = job->order->deadline_us - owner_now_us(o);
    struct ask_spec spec = {
        .cluster = str_from(job->home->name),
        .method = METHOD_POST,
        .target = arena_join(arena, STR("/collections/"), path_encode(job->collection, arena), STR("/points/scroll")),
        .body = &body,
        .limit = PAGE_BYTES,
        .timeout_us = left_us > 1 ? left_us : 1,
        .may_repeat = true,
    };

    json_begin_object(&w);
    json_key(&w, "filter");
    json_put_raw(&w, job->touch->filter);
    json_member_u64(&w, "limit", PAGE_POINTS);
    json_member_bool(&w, "with_payload", false);
    json_member_bool(&w, "with_vector", false);
    if (key.len) {
        json_key(&w, "shard_key");
        json_put_raw(&w, key);
    }
    if (offset.len) {
        json_key(&w, "offset");
        json_put_raw(&w, offset);
    }
    json_end_object(&w);
    job->ask = ask_start(o->up, &spec, on_page, job);
}

/* --- one step ---------------------------------------------------------------------------------------------------- */

/* Its points are known. */
static void
do_step(struct job *job)
{
    enum fail fail;

    if (job->n_points == 0) {
        job_send(job);
        return;
    }
    fail = home_may_send(job->home) ? job_may_begin(job) : home_fail(job->home);
    if (!ledger_may_enter(job->home->ledger, job->points, job->n_points, &job->gate))
        fail = FAIL_POINT_HELD;
    if (fail != FAIL_NONE)
        job_refuse(job, fail, STR_NONE);
    else
        job_append(job);
}

static void
begin_step(struct job *job)
{
    job_move(job, JOB_SCAN);
    job->n_found = 0;
    job->connection_us = 0;
    if (job->touch->kind == TOUCH_SCAN) {
        ask_page(job, STR_NONE);
        return;
    }
    job_make_points(job);
    do_step(job);
}

/* --- a batch ----------------------------------------------------------------------------------------------------- */

static void
begin_part(struct job *job)
{
    const struct touch_part *part = &job->order->touch.parts[job->part++];

    job->op = part->op;
    job->touch = &part->touch;
    buf_clear(&job->body);
    buf_add(&job->body, part->body);
    begin_step(job);
}

void
job_keep_result(struct job *job, struct str body)
{
    const struct touch *whole = &job->order->touch;
    struct json_doc *doc;
    struct json_writer w = json_writer(&job->results);

    if (whole->kind != TOUCH_PARTS || job->part == whole->n_parts)
        ledger_gate_end(job->home->ledger, &job->gate); /* others need not wait for the copies */
    if (whole->kind != TOUCH_PARTS)
        return;
    doc = json_parse(body, NULL, NULL);
    if (buf_len(&job->results))
        buf_putc(&job->results, ',');
    json_put_value(&w, json_get(json_root(doc), "result"));
    json_free(doc);
    crash_point(CRASH_AT_OWNER_PART_DONE);
}

static void
join_results(struct job *job)
{
    struct order *order = job->order;
    double seconds = (double)(owner_now_us(job->home->owner) - order->began_us) / 1e6;
    struct json_writer w;

    buf_clear(&order->answer_body);
    buf_add(&order->answer_body, STR("{\"result\":["));
    buf_add(&order->answer_body, buf_str(&job->results));
    buf_add(&order->answer_body, STR("],\"status\":\"ok\",\"time\":"));
    w = json_writer(&order->answer_body);
    json_put_double(&w, seconds, 9);
    buf_putc(&order->answer_body, '}');
}

bool
job_next_part(struct job *job)
{
    const struct touch *whole = &job->order->touch;

    if (whole->kind != TOUCH_PARTS)
        return false;
    if (job->part == whole->n_parts) {
        join_results(job);
        return false;
    }
    begin_part(job);
    return true;
}

void
job_open_gate(struct job *job)
{
    const struct touch *touch = &job->order->touch;

    timer_clear(&job->deadline);
    if (touch->kind == TOUCH_SCAN) {
        buf_add(&job->body, buf_str(&job->order->body));
        begin_step(job);
    } else if (touch->n_parts > PARTS_MAX) {
        job_refuse(job, FAIL_FILTER_TOO_WIDE, STR("a batch with filters has at most 1000 operations"));
    } else {
        begin_part(job);
    }
}
