/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_LEG_H
#define SEXTANT_UPSTREAM_LEG_H

/* One sub-request of a transaction: exchanges with one candidate after another, one at a time, until one brings an answer
 * or the policy gives up. A forwarded request is one leg; merges and schema operations are several (group.h).
 *
 * Never calls back before leg_start() returned. Then on_head, on_body..., on_end; or on_fail before any of them; or on_cut
 * after on_head. Nothing after on_end, on_fail, on_cut or leg_cancel(). The leg must not be freed inside its callbacks. */

#include "proxy/route/operation.h"
#include "proxy/upstream/body.h"
#include "proxy/upstream/exchange.h"

/* What the policy decides from. */
struct leg_facts {
    enum fail fail;
    enum op_resend resend;
    bool is_pinned;      /* node-local */
    bool sent_nothing;   /* certainly no byte of this exchange left */
    bool sent_before;    /* bytes of this exchange or an earlier one left */
    bool answer_began;   /* the client has seen a part of the answer */
    bool has_body;       /* the whole body can be sent again */
    bool has_endpoint;   /* another endpoint of this cluster is left to try */
    bool has_cluster;    /* another permitted cluster is left to try */
    bool has_time;       /* the deadline has not passed */
    unsigned tries;      /* exchanges so far */
    unsigned free_moves; /* moves in this cluster that drew nothing from the budget */
    const struct operation *op;
    const struct body *body;
};
enum leg_move { LEG_GIVE_UP, LEG_SAME_FRESH, LEG_NEXT_ENDPOINT, LEG_NEXT_CLUSTER };
struct leg_decision {
    enum leg_move move;
    bool is_free; /* draws nothing from the retry budget */
};
typedef struct leg_decision leg_policy_fn(const struct leg_facts *facts); /* pure */
leg_policy_fn leg_never_again; /* but on a fresh connection, when an idle one turns out to be closed */

struct leg_try { /* told after each exchange */
    const char *cluster;
    unsigned endpoint;
    enum fail fail;
    int status;
    struct exchange_timing timing;
};

struct leg;
struct leg_events {
    void (*on_head)(void *arg, struct leg *leg, struct message *head);
    void (*on_body)(void *arg, struct leg *leg, struct str piece);
    void (*on_end)(void *arg, struct leg *leg);
    void (*on_fail)(void *arg, struct leg *leg, enum fail fail); /* leg->sent_something tells about writes */
    void (*on_cut)(void *arg, struct leg *leg, enum fail fail);
    void (*on_room)(void *arg, struct leg *leg); /* the body window has room */
    void (*on_try)(void *arg, struct leg *leg, const struct leg_try *t);
};

/* What a cluster (by index) is shown as api-key. */
typedef struct str leg_credential_fn(void *arg, unsigned cluster);
leg_credential_fn leg_fleet_key; /* `arg` is the fleet: the key that its configuration has for the cluster */

struct leg_spec {
    const struct operation *op;
    const struct message *head; /* to be sent */
    struct body *body;          /* the owner appends and calls leg_body_grew() */
    struct arena *arena;
    const uint8_t *candidates; /* cluster indices */
    unsigned n_candidates;
    bool try_down; /* candidates are all judged down: try the first all the same */
    bool may_move; /* candidates after the first may be tried */
    bool is_pinned;
    unsigned endpoint;   /* pinned to this number; 0 with is_pinned: the first */
    size_t hold_bytes;   /* answers up to this long are held until complete */
    int64_t deadline_us; /* absolute, 0 none */
    bool deadline_is_clients;
    int64_t asked_until_us; /* absolute: the cluster is told to answer by then (timeout=); 0: what the query says */
    int64_t progress_us;
    uint32_t caller; /* any number that differs between callers: no one of them gets all places */
    leg_policy_fn *policy;
    leg_credential_fn *credential; /* NULL: nothing is added to the head */
    void *credential_arg;
    bool has_own_key; /* the credential is this edge's key: a 401 is not the client's, and nothing was done */
};

struct leg {
    struct upstream *up;
    struct fleet *fleet; /* a reference: candidates are indices into it */
    struct leg_spec spec;
    const struct leg_events *events;
    void *arg;
    struct exchange *exchange;
    unsigned at;    /* position in candidates */
    uint64_t tried; /* backends of the current cluster */
    const struct fleet_backend *current;
    bool has_place, is_waiting, is_over, answer_began, sent_something, is_fresh_next, is_paused;
    unsigned tries, free_moves;
    uint64_t body_at;
    struct message *answer;
    struct buf held;
    enum fail fail;
    int64_t wait_since_us, wait_until_us;
    struct timer wait;
    struct task step;
    TAILQ_ENTRY(leg) entry; /* in the cluster's queue */
};

/* The leg lives inside its owner. Spec's pointers must outlive it. */
void leg_start(struct leg *leg, struct upstream *up, struct fleet *fleet, const struct leg_spec *spec,
    const struct leg_events *events, void *arg);
void leg_body_grew(struct leg *leg);
/* A piece of a body that is a window and of which nothing waits goes straight on: what is left of it is to be appended. */
struct str leg_pass(struct leg *leg, struct str piece);
void leg_pause(struct leg *leg); /* the answer's reader cannot keep up */
void leg_resume(struct leg *leg);
void leg_cancel(struct leg *leg);            /* safe on one that is over or never started */
void leg_fini(struct leg *leg);              /* cancels, releases what is inside; not from within its callbacks */
unsigned leg_cluster(const struct leg *leg); /* index of the cluster that it is at */
/* Does an operator keep this one out of use? */
static inline bool
leg_is_held(const struct leg *leg, const struct fleet_backend *fb)
{
    return cluster_holds(leg->fleet->clusters[leg_cluster(leg)].cluster, fb->endpoint);
}
/* Is another permitted cluster left to try? */
static inline bool
leg_has_next(const struct leg *leg)
{
    return leg->spec.may_move && leg->at + 1 < leg->spec.n_candidates;
}

#endif
