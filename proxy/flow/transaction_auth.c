/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks, and what clusters are shown in place of what the client showed.
 */
#include "proxy/flow/transaction_impl.h"

#include "proxy/base/clock.h"

_Static_assert((int)AUTH_KINDS == (int)METRICS_KEYS, "one cell a kind");

static struct auth_context
context_of(const struct transaction *t)
{
    return (struct auth_context){ t->fleet->world, t->edge->tokens, (uint64_t)(t->record.wall_us / USEC_PER_SEC) };
}

enum fail
transaction_authenticate(struct transaction *t)
{
    struct auth_context c = context_of(t);
    enum fail fail = auth_check(&c, &t->op, &t->request, &t->who);

    t->record.key = str_from(auth_kind_name(t->who.kind));
    t->record.subject = str_make(t->who.claims.subject, t->who.claims.subject_len);
    metrics_add(t->edge->metrics, METRIC_AUTHENTICATIONS, t->who.kind, 1);
    return fail;
}

static struct str
credential(void *arg, unsigned cluster)
{
    struct transaction *t = arg;
    struct auth_context c = context_of(t);

    return auth_credential(&c, &t->who, cluster, &t->arena);
}

void
transaction_add_credential(struct transaction *t, struct leg_spec *spec)
{
    if (!t->fleet->world->keys->is_on)
        return;
    spec->credential = credential;
    spec->credential_arg = t;
    spec->has_own_key = t->who.kind != AUTH_TOKEN && t->who.kind != AUTH_OPEN;
}
