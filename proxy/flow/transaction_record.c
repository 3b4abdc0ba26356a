/* SPDX-License-Identifier: Apache-2.0
 *
 * What the log is to say of a request, as it becomes known.
 */
#include "proxy/base/clock.h"
#include "proxy/flow/transaction_impl.h"
#include "proxy/http/trace.h"

/* W3C Trace Context §3.2: what is not valid counts as missing, and a tracestate without its traceparent too. */
static void
begin_trace(struct transaction *t)
{
    struct trace trace;
    uint64_t random[3];
    char *text;

    if (!trace_of(&t->request, &trace) && str_eq(t->fleet->world->conf->traceparent, STR("create"))) {
        for (unsigned i = 0; i < 3; i++)
            random[i] = random_next(&t->edge->random);
        text = arena_alloc(&t->arena, TRACE_PARENT_BYTES);
        trace_make(random, text);
        t->new_traceparent = str_make(text, TRACE_PARENT_BYTES);
        trace_parse(t->new_traceparent, &trace);
    }
    t->record.trace_id = trace.id;
    t->record.parent_id = trace.parent;
}

void
transaction_begin_record(struct transaction *t)
{
    struct access_record *r = &t->record;

    t->has_begun = true;
    t->started_us = loop_now_us(t->edge->loop);
    *r = (struct access_record){
        .wall_us = clock_wall_us(), .body_us = -1, .planned_us = -1, .sent_us = -1, .first_byte_us = -1, .total_us = -1
    };
    r->method = t->request.method_text;
    r->path = t->request.target;
    r->request_id = message_value(&t->request, FIELD_X_REQUEST_ID);
    r->user_agent = message_value(&t->request, FIELD_USER_AGENT);
    begin_trace(t);
    t->op.info = op_info(OP_UNKNOWN);
}

void
transaction_record_caller(struct transaction *t)
{
    struct access_record *r = &t->record;

    r->address = str_from(addr_print(&t->caller.address, -1, t->address_text));
    r->place = str_from(place_print(&t->caller.place, t->place_text));
    r->place_source = str_from(place_source_name((enum place_source)t->caller.place.source));
    r->operation = str_from(t->op.info->name);
    r->kind = str_from(op_kind_name(t->op.info->kind));
    r->path = t->op.path;
    r->collection = t->op.collection;
    metrics_add(t->edge->metrics, METRIC_PLACES, t->caller.place.source, 1);
    metrics_add(t->edge->metrics, METRIC_CALLERS, metrics_country(t->caller.place.country), 1);
}

void
transaction_record_plan(struct transaction *t)
{
    struct access_record *r = &t->record;

    r->planned_us = loop_now_us(t->edge->loop) - t->started_us;
    r->reason = str_from(plan_reason_name(t->plan.reason));
    if (t->plan.rule) {
        r->rule = t->plan.rule->text;
        r->rule_line = t->plan.rule->line;
    }
    if (t->plan.partition)
        r->partition = t->plan.partition->name;
}
