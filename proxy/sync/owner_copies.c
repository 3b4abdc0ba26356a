/* SPDX-License-Identifier: Apache-2.0
 *
 * fanout=quorum and fanout=all: home has done the write, and its answer waits until so many copies have the state that came of
 * it. See owner_job.h.
 */
#include "proxy/base/crash_point.h"
#include "proxy/sync/owner_job.h"

/* What is there stays there, so that each point is looked at until it is, and never again. */
static bool
lane_has_all(struct job *job, unsigned i)
{
    while (job->n_there[i] < job->n_points && lane_has(job->lanes[i], &job->points[job->n_there[i]], job->order->lsn))
        job->n_there[i]++;
    return job->n_there[i] == job->n_points;
}

static unsigned
count_copies(struct job *job)
{
    unsigned n = 0;

    for (unsigned i = 0; i < job->n_lanes; i++)
        n += lane_has_all(job, i);
    return n;
}

struct str
job_done(const struct job *job)
{
    struct arena *arena = &job->order->arena;
    struct str done = arena_str(arena, str_from(job->home->name));

    for (unsigned i = 0; i < job->n_lanes; i++) {
        if (job->n_points && job->n_there[i] == job->n_points)
            done = arena_join(arena, done, STR(","), str_from(job->lanes[i]->copy));
    }
    return done;
}

bool
job_reaches_copies(const struct job *job)
{
    unsigned n = 0;

    for (unsigned i = 0; i < job->n_lanes && job->order->n_needed; i++)
        n += lane_is_reachable(job->lanes[i]);
    return n >= job->order->n_needed;
}

void
job_await_copies(struct job *job, void (*then)(struct job *job))
{
    int64_t left_us = job->order->deadline_us - owner_now_us(job->home->owner);

    job_move(job, JOB_COPIES);
    job->then = then;
    timer_set(&job->deadline, left_us);
    for (unsigned i = 0; i < job->n_lanes; i++) {
        job->n_there[i] = 0;
        lane_promote(job->lanes[i], job->points, job->n_points);
    }
    crash_point(CRASH_AT_OWNER_AWAITS_COPIES);
}

void
home_look_at_copies(struct home *h)
{
    struct job *job, *next;

    for (job = TAILQ_FIRST(&h->running); job; job = next) {
        next = TAILQ_NEXT(job, entry);
        if (job->state != JOB_COPIES || count_copies(job) < job->order->n_needed)
            continue;
        timer_clear(&job->deadline);
        crash_point(CRASH_AT_OWNER_COPIES_HAVE_IT);
        job->then(job);
    }
}
