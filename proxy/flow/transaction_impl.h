/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_TRANSACTION_IMPL_H
#define SEXTANT_FLOW_TRANSACTION_IMPL_H

/* Shared by the transaction_*.c files only. */

#include "proxy/flow/transaction.h"
#include "proxy/route/answer.h"
#include "proxy/route/deadline.h"
#include "proxy/route/auth.h"
#include "proxy/route/merge.h"
#include "proxy/route/plan.h"
#include "proxy/sync/owner.h"

/*
 *   HEAD -> GATHER (body is read whole before the decision) -> RUN -> ANSWERING -> OVER
 *     \_______________________________________________________^            ^
 *      \___________________ answered here __________________________________/
 */
enum phase { PHASE_HEAD, PHASE_GATHER, PHASE_RUN, PHASE_ANSWERING, PHASE_OVER };

struct transaction {
    struct edge *edge;
    const struct responder *responder;
    void *arg;
    struct fleet *fleet; /* a reference: one world for the whole request */
    struct arena arena;
    struct message request;
    const struct client_link *link;
    enum phase phase;
    bool has_begun, body_ended, is_decided /* the body is read for what the plan wants to do with it */;

    struct operation op;
    struct caller caller;
    struct identity who;
    struct name_list names;
    struct cluster_view *views; /* one a cluster, from the decision on */
    struct plan plan;
    struct message upstream_head;
    struct deadline deadline;
    int64_t deadline_us;
    int64_t retry_after_s; /* for whoever is refused; 0: a second */

    struct body body;
    uint64_t body_limit;  /* 0: none */
    uint64_t replay_held; /* counted in shared.replay_bytes */

    struct leg leg;       /* PLAN_FORWARD */
    struct group group;   /* PLAN_LISTS, PLAN_SCHEMA */
    struct group configs; /* a second round of PLAN_SCHEMA */
    struct operation configs_op;
    struct message configs_head;
    struct body no_body;
    bool leg_is_paused;
    struct order *order;            /* at the owner of the home; NULL: none */
    struct order_part *order_parts; /* of a change of schema in several homes: n_candidates */
    struct str token;               /* of a write that fans out */
    struct token_read *token_read;  /* of a read that must not be older than a write; NULL: it may */
    uint8_t hop_target;             /* PLAN_EDGE: index in the fleet */
    struct str passed_error;        /* what the other edge calls its failure */

    struct str new_traceparent; /* created here, or empty */
    struct access_record record;
    int64_t started_us;
    char address_text[ADDR_TEXT_MAX], place_text[32];
    int answering_cluster; /* index, or -1 */
    int64_t upstream_us;   /* sending to first byte of the exchange that answered */
};

/* transaction_reply.c */
void transaction_fail(struct transaction *t, enum fail fail, struct str detail);
void transaction_answer(struct transaction *t, int status, struct str content_type, struct str body);
/* A cluster's answer: head passed on, body follows through the responder. */
void transaction_pass_head(struct transaction *t, struct message *answer);
void transaction_pass_whole(struct transaction *t, struct message *answer, struct str body);
void transaction_over(struct transaction *t, bool was_cut);
void transaction_answer_here(struct transaction *t); /* PLAN_LOCAL */
bool transaction_can_answer_here(const struct transaction *t);
bool transaction_is_ready(const struct transaction *t); /* this edge, as /readyz says */

/* transaction_record.c */
void transaction_begin_record(struct transaction *t);
void transaction_record_caller(struct transaction *t);
void transaction_record_plan(struct transaction *t);

/* transaction_auth.c */
enum fail transaction_authenticate(struct transaction *t);
void transaction_add_credential(struct transaction *t, struct leg_spec *spec);

/* transaction_admit.c: limits on callers; before it is known who they are, and after */
enum fail transaction_admit(struct transaction *t, enum fail only_health);
enum fail transaction_admit_key(struct transaction *t);

/* transaction_forward.c */
void transaction_forward(struct transaction *t);
void transaction_leg_failed(struct transaction *t, struct leg *leg, enum fail fail);
void transaction_spec(struct transaction *t, struct leg_spec *ret_spec); /* what all legs of it have in common */
void transaction_note_try(struct transaction *t, const struct leg_try *try);

/* transaction_fanout.c */
bool transaction_fans_out(const struct transaction *t);
void transaction_fanout(struct transaction *t);        /* the body is there */
void transaction_fanout_detach(struct transaction *t); /* nobody waits for the answer any more */

/* transaction_token.c */
void transaction_give_token(struct transaction *t, const struct order *o); /* of what was done */
void transaction_remember_tokens(struct transaction *t);                   /* that another edge has given */
/* A read that bears tokens of what it reads: of the plan stays what is known to have the writes. */
enum fail transaction_heed_tokens(struct transaction *t);
bool transaction_must_wait(const struct transaction *t); /* no cluster is known to have them */
void transaction_wait(struct transaction *t); /* until one is, or it takes too long; then it runs, or is refused */
void transaction_end_wait(struct transaction *t);
void transaction_tell_reach(struct transaction *t); /* to another edge, which asks for it */

/* transaction.c */
void transaction_run(struct transaction *t); /* the plan */

/* transaction_hop.c */
bool transaction_is_hop(const struct transaction *t); /* says that another edge sent it */
enum fail transaction_judge_hop(struct transaction *t, enum fail bad_target);
void transaction_send_hop(struct transaction *t); /* PLAN_EDGE */

/* transaction_fanout.c, of changes of schema */
bool transaction_changes_homes(const struct transaction *t); /* is it a change of schema that owners of homes make? */
/* To the owner of a home; *at is it until on_done. FAIL_NONE, or why it cannot be. */
enum fail transaction_order(struct transaction *t, const struct partition *part, struct order **at,
    void (*on_over)(struct order *o), void *arg, struct str *ret_error);
void transaction_change(struct transaction *t);                                          /* of a single home */
const struct partition *transaction_home(const struct transaction *t, unsigned cluster); /* that fans out; NULL: none */

/* One home's part of a change of schema. */
struct order_part {
    struct transaction *transaction;
    unsigned index;
    struct order *order; /* NULL: none is under way */
};

/* transaction_group.c */
void transaction_lists(struct transaction *t);
void transaction_schema(struct transaction *t);
void transaction_info(struct transaction *t); /* GET /collections/{c} of a line that fans out */

#endif
