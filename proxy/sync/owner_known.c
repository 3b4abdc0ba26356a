/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/owner_job.h"

enum { KNOWN_BODY_BYTES = 8 << 20 /* of more, the points are read */ };

/* Rows of other nodes lose something on the way through Qdrant, and the last digit of a vector that is made of length 1 is the
 * processor's: what is at home then is not the text. What was deleted is gone either way. */
bool
job_tells_state(const struct job *job)
{
    const struct touch *touch = job->touch;

    return touch->texts && (job->is_plain || touch->leaves_none) && !job->is_spread && job->n_lanes > 0;
}

void
job_leave_known(struct job *job)
{
    struct ledger *ledger = job->home->ledger;
    struct known *k;

    if (!job_tells_state(job) || buf_len(&job->body) == 0 || job->body.cap > KNOWN_BODY_BYTES) {
        ledger_leave(ledger, &job->write);
        return;
    }
    k = known_new(&job->body, job->n_points, owner_now_us(job->home->owner));
    for (unsigned i = 0; i < job->n_points; i++) {
        const struct touch_text *text = &job->touch->texts[job->targets[i].text];

        k->rows[i].vector = text->vector;
        k->rows[i].payload = text->payload;
    }
    ledger_leave_known(ledger, &job->write, k, job->n_lanes);
}
