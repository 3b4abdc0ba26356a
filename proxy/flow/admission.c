/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/flow/admission.h"

#include "proxy/flow/session.h"
#include "proxy/route/answer.h"
#include "proxy/route/caller.h"

enum { EXTRA_PART = 16, EXTRA_LEAST = 32, EXTRA_OF_ADDRESS = 8 };

static const struct conf *
conf_of(const struct edge *e)
{
    return edge_world(e)->conf;
}

void
admission_enter(struct edge *e, struct admission *ret_a)
{
    uint64_t limit = conf_of(e)->max_connections;
    uint64_t extra = limit / EXTRA_PART > EXTRA_LEAST ? limit / EXTRA_PART : EXTRA_LEAST;
    uint64_t before = atomic_fetch_add_explicit(&e->shared->connections, 1, memory_order_relaxed);

    *ret_a = (struct admission){ .fail = FAIL_NONE, .is_counted = true };
    if (before < limit || edge_evict_idle(e, 1))
        return;
    ret_a->fail = FAIL_CONNECTIONS_FULL;
    ret_a->is_shut = before >= limit + extra;
    if (ret_a->is_shut)
        admission_leave(e, ret_a);
}

void
admission_name(struct edge *e, struct admission *a, const struct addr *address)
{
    uint64_t limit = conf_of(e)->address_connections;
    unsigned count;

    if (a->is_shut || limit == 0 || !e->shared->census || address->family == 0 ||
        trust_is_proxy(edge_world(e)->trust, address))
        return;
    a->entry = census_enter(e->shared->census, address, &count);
    if (count <= limit)
        return;
    a->fail = FAIL_ADDRESS_CONNECTIONS;
    a->is_shut = count > limit + EXTRA_OF_ADDRESS;
    if (a->is_shut)
        admission_leave(e, a);
}

void
admission_leave(struct edge *e, struct admission *a)
{
    census_leave(a->entry);
    a->entry = NULL;
    if (a->is_counted)
        atomic_fetch_sub_explicit(&e->shared->connections, 1, memory_order_relaxed);
    a->is_counted = false;
}

void
admission_turn_away(struct edge *e, const struct admission *a, struct stream *s)
{
    const struct fail_info *info = fail_info(a->fail);
    struct operation none = { .collection = STR_NONE };
    struct buf body = { 0 }, out = { 0 };
    struct iovec iov;

    answer_error(&body, a->fail, &none, STR_NONE);
    buf_printf(&out,
        "HTTP/1.1 %d " STR_FMT "\r\nx-sextant-error: %s\r\nretry-after: 1\r\ncontent-type: application/json\r\n"
        "content-length: %zu\r\nconnection: close\r\n\r\n",
        info->status, STR_ARG(status_reason(info->status)), info->code, buf_len(&body));
    buf_add(&out, buf_str(&body));
    iov = (struct iovec){ (void *)(uintptr_t)buf_str(&out).p, buf_len(&out) };
    if (s)
        (void)stream_write(s, &iov, 1);
    metrics_add(e->metrics, METRIC_FAILURES, a->fail, 1);
    buf_fini(&body);
    buf_fini(&out);
}
