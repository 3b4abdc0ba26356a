/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow/transaction_impl.h"

/* Loop time may lag by a turn, which lets nobody in who should not be. */
static enum fail
take(struct transaction *t, uint64_t name, uint64_t rate, uint64_t burst)
{
    int64_t wait_us = quota_take(t->edge->shared->quota, name, rate, burst ? burst : rate, t->started_us);

    if (wait_us == 0)
        return FAIL_NONE;
    t->retry_after_s = (wait_us + USEC_PER_SEC - 1) / USEC_PER_SEC;
    return FAIL_RATE_LIMITED;
}

enum fail
transaction_admit(struct transaction *t, enum fail only_health)
{
    const struct conf *conf = t->fleet->world->conf;

    if (t->op.scope == SCOPE_SELF)
        return FAIL_NONE;
    if (only_health != FAIL_NONE)
        return only_health;
    if (buf_memory() > conf->buffer_total)
        return FAIL_MEMORY_FULL;
    if (conf->rate_per_address == 0 || t->caller.address.family == 0)
        return FAIL_NONE; /* another edge has counted its client itself: no address yet */
    return take(t, hash_keyed(&t->edge->shared->hash_key, census_name(&t->caller.address)), conf->rate_per_address,
        conf->burst_per_address);
}

enum fail
transaction_admit_key(struct transaction *t)
{
    const struct conf *conf = t->fleet->world->conf;
    bool is_known = t->who.kind >= AUTH_API && t->who.kind <= AUTH_TOKEN;
    struct str credential = message_value(&t->request, FIELD_API_KEY);

    if (is_known) /* however it was shown, and whatever else was */
        credential = str_make((const char *)t->who.digest.bytes, DIGEST_BYTES);
    else if (credential.len == 0)
        credential = message_value(&t->request, FIELD_AUTHORIZATION);
    if (t->op.scope == SCOPE_SELF || conf->rate_per_key == 0 || credential.len == 0)
        return FAIL_NONE;
    /* An address of four or eight bytes and a key of the same bytes are two names. */
    return take(t, ~hash_keyed(&t->edge->shared->hash_key, credential), conf->rate_per_key, conf->burst_per_key);
}
