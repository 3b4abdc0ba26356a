/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow/retry.h"

static const struct leg_decision give_up = { LEG_GIVE_UP, true };

/* Places are counted by cluster: another endpoint of it has none either. */
static bool
is_full(enum fail fail)
{
    return fail == FAIL_CLUSTER_BUSY || fail == FAIL_QUEUE_TIMEOUT;
}

static struct leg_decision
elsewhere(const struct leg_facts *f, bool is_free)
{
    if (f->has_endpoint && !is_full(f->fail))
        return (struct leg_decision){ LEG_NEXT_ENDPOINT, is_free };
    if (f->has_cluster)
        return (struct leg_decision){ LEG_NEXT_CLUSTER, is_free };
    return give_up;
}

static bool
may_repeat(const struct leg_facts *f)
{
    if (f->resend == RESEND_SAFE)
        return true;
    return f->resend == RESEND_BODY && f->body->is_complete && operation_is_idempotent(f->op, buf_str(&f->body->bytes));
}

static bool
is_free_once(enum fail fail)
{
    return fail == FAIL_UPSTREAM_RESET || fail == FAIL_ENDPOINT_DOWN || fail == FAIL_UPSTREAM_STALE;
}

struct leg_decision
retry_decide(const struct leg_facts *f)
{
    bool is_free = is_free_once(f->fail) && f->free_moves == 0;

    if (f->answer_began || !f->has_time || f->tries >= RETRY_TRIES_MAX || !f->has_body)
        return give_up;
    if (f->sent_nothing && !f->is_pinned && (f->resend == RESEND_SAFE || !f->sent_before))
        return elsewhere(f, true);
    if (f->fail == FAIL_UPSTREAM_STALE && may_repeat(f))
        return (struct leg_decision){ LEG_SAME_FRESH, true };
    if (f->is_pinned)
        return give_up;
    if (f->resend == RESEND_SAFE &&
        f->fail == FAIL_CLUSTER_KEY) /* for all of the cluster's endpoints, and every request */
        return f->has_cluster ? (struct leg_decision){ LEG_NEXT_CLUSTER, true } : give_up;
    if (f->resend == RESEND_SAFE)
        return elsewhere(f, is_free);
    if (f->fail == FAIL_UPSTREAM_UNAVAILABLE || f->fail == FAIL_CLUSTER_KEY || !may_repeat(f))
        return give_up;
    if (f->has_endpoint && !is_full(f->fail))
        return (struct leg_decision){ LEG_NEXT_ENDPOINT, is_free || f->sent_nothing };
    return give_up;
}
