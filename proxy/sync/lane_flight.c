/* SPDX-License-Identifier: Apache-2.0
 *
 * A flight takes marked points from home to the copy: reads what they are, makes them the same there, clears the marks
 * (fanout.md §5, §6).
 *
 *   marks_pick ─▶ READ ─▶ WRITE ─▶ landed: each part by what came of it ─▶ gone
 *                             ▲────── halves of a refused part ──────┘
 *
 * 1. What was pending on a point is asked before the read begins, never later (rule 2, Gate).
 * 2. One reading serves every lane of the home that has marked the points: their flights take off together, with one state, and land
 *    each by itself.
 * 3. What a point is by the text of the last write on it is not read (ledger_look()).
 * 4. A part that may land later is quarantined and marked again after that, whatever else came of it (rule 5, Again).
 */
#include <stdio.h>

#include "proxy/base/crash_point.h"
#include "proxy/base/mem.h"
#include "proxy/base/rule_off.h"
#include "proxy/sync/lane_impl.h"
#include "proxy/sync/ship.h"

enum {
    TIMEOUT_LEAST_US = 1000 * 1000,
    TIMEOUT_MOST_US = 30 * 1000 * 1000,
    REFUSED = 1 /* the reason of parked points */
};

struct landing { /* one ship_write() of a flight */
    LIST_ENTRY(landing) entry;
    struct flight *flight;
    struct ship_write *write;
};

struct reading {
    struct ship_read *read; /* NULL: it has come */
    LIST_HEAD(, flight) flights;
};

struct flight {
    LIST_ENTRY(flight) entry, beside; /* of its lane; of its reading */
    struct lane *lane;
    uint32_t collection;
    bool is_in[STATE_POINTS_MAX];              /* which rows are its own */
    struct mark_pick picks[STATE_POINTS_MAX];  /* the rows of `state`, in the same order */
    struct mark_age pending[STATE_POINTS_MAX]; /* lsn 0: none */
    unsigned n;
    int64_t timeout_us;
    struct quiet_collection copy; /* its limits there */
    struct reading *reading;
    struct state *state;
    LIST_HEAD(, landing) landings;
};

/* So long that its quarantine is no longer than others are. */
static int64_t
timeout_us(const struct lane *l)
{
    int64_t half_us = owner_quarantine_us(l->home->owner) / 2;

    return half_us < TIMEOUT_LEAST_US ? TIMEOUT_LEAST_US : half_us < TIMEOUT_MOST_US ? half_us : TIMEOUT_MOST_US;
}

/* --- landing ----------------------------------------------------------------------------------------------------- */

static void write_rows(struct flight *f, const unsigned *rows, unsigned n);

static void
flight_end(struct flight *f)
{
    struct lane *l = f->lane;

    if (f->reading || !LIST_EMPTY(&f->landings))
        return;
    LIST_REMOVE(f, entry);
    l->n_flights--;
    state_unref(f->state);
    mem_free(f);
    lane_publish(l);
    home_run(l->home);
}

static void
fail_rows(struct flight *f, const unsigned *rows, unsigned n, bool may_land_later)
{
    struct mark_key keys[STATE_POINTS_MAX];

    for (unsigned i = 0; i < n; i++) {
        keys[i] = f->picks[rows[i]].key;
        marks_failed(f->lane->marks, &keys[i], f->picks[rows[i]].number, may_land_later && !rule_is_off(RULE_AGAIN));
    }
    if (may_land_later && n && !rule_is_off(RULE_AGAIN)) {
        lane_quarantine(f->lane, keys, n, f->timeout_us);
        crash_point(CRASH_AT_LANE_QUARANTINED);
    }
}

static void
land_rows(struct flight *f, const unsigned *rows, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct mark_age *pending = &f->pending[rows[i]];

        marks_shipped(f->lane->marks, &f->picks[rows[i]].key, f->picks[rows[i]].number, pending->lsn ? pending : NULL,
            owner_now_us(f->lane->home->owner));
    }
    crash_point(CRASH_AT_LANE_CLEARED);
    f->lane->n_failures = 0;
    lane_trouble(f->lane, STR_NONE);
}

static void
tell(struct lane *l, const char *where, const struct outcome *o)
{
    struct str why = buf_len(&o->text) ? buf_str(&o->text) : str_from(fail_info(o->fail)->sentence);
    char text[sizeof(l->trouble)];

    snprintf(text, sizeof(text), "%s %s: " STR_FMT, where, outcome_name(o->kind), STR_ARG(why));
    lane_trouble(l, str_from(text));
}

/* A refused point waits for another write or for the minute; of many it has to be found out which. */
static void
refuse_rows(struct flight *f, const struct ship_part *part)
{
    struct lane *l = f->lane;
    const unsigned *rows = part->rows;

    if (part->outcome.may_land_later) {
        fail_rows(f, rows, part->n, true);
        lane_rest(l, 0);
    } else if (part->outcome.status == 404) { /* the collection, or a shard key */
        fail_rows(f, rows, part->n, false);
        catalog_forget(l->catalog);
        lane_rest(l, 0);
    } else if (part->n > 1) {
        crash_point(CRASH_AT_LANE_HALVES);
        write_rows(f, rows, part->n / 2);
        write_rows(f, rows + part->n / 2, part->n - part->n / 2);
        return;
    } else {
        marks_park(l->marks, &f->picks[rows[0]].key, f->picks[rows[0]].number, REFUSED);
        crash_point(CRASH_AT_LANE_PARKED);
    }
    tell(l, l->copy, &part->outcome);
}

/* What goes from cluster to cluster stands beside what callers send. */
static void
count_residency(const struct lane *l, size_t bytes)
{
    const struct owner *o = l->home->owner;
    const struct topology *t = o->up->fleet->world->topology;
    int home = topology_find(t, str_from(l->home->name)), copy = topology_find(t, str_from(l->copy));
    struct residency_key key;

    if (bytes == 0)
        return;
    key = residency_key(STR("fan-out"), str_from(l->home->name), home < 0 ? "" : t->clusters[home].country,
        str_from(l->copy), copy < 0 ? "" : t->clusters[copy].country);
    residency_count(o->residency, &key, bytes, 0);
}

static void
land_part(struct flight *f, const struct ship_part *part)
{
    struct lane *l = f->lane;

    count_residency(l, part->bytes);
    switch (part->outcome.kind) {
    case OUTCOME_OK:
        if (part->outcome.may_land_later)
            fail_rows(f, part->rows, part->n, true);
        else
            land_rows(f, part->rows, part->n);
        return;
    case OUTCOME_REFUSED:
        refuse_rows(f, part);
        return;
    case OUTCOME_UNREACHABLE:
    case OUTCOME_UNKNOWN:
    case OUTCOME_THROTTLED:
    case OUTCOME_DENIED:
        fail_rows(f, part->rows, part->n, part->outcome.may_land_later);
        lane_rest(l, part->outcome.retry_after_us);
        tell(l, l->copy, &part->outcome);
        return;
    }
}

static void
on_written(void *arg, const struct ship_part *parts, unsigned n_parts)
{
    struct landing *landing = arg;
    struct flight *f = landing->flight;

    crash_point(CRASH_AT_LANE_ANSWERED);
    LIST_REMOVE(landing, entry);
    mem_free(landing);
    for (unsigned i = 0; i < n_parts; i++)
        land_part(f, &parts[i]);
    flight_end(f);
}

/* A copy in strict mode refuses whole requests that go beyond its limits. */
static unsigned
max_points(const struct quiet_collection *copy)
{
    return copy->upsert_max && copy->upsert_max < STATE_POINTS_MAX ? (unsigned)copy->upsert_max : 0;
}

static int64_t
copy_timeout_us(const struct flight *f)
{
    int64_t most_us = (int64_t)f->copy.timeout_max_s * USEC_PER_SEC;

    return most_us && most_us < f->timeout_us ? most_us : f->timeout_us;
}

static void
write_rows(struct flight *f, const unsigned *rows, unsigned n)
{
    struct owner *o = f->lane->home->owner;
    struct landing *landing = MEM_NEW(struct landing);
    bool payload_only[STATE_POINTS_MAX];
    struct ship_write_spec spec = {
        .cluster = str_from(f->lane->copy),
        .collection = lexicon_name(o->collections, f->collection),
        .state = f->state,
        .rows = rows,
        .n = n,
        .payload_only = payload_only,
        .max_points = max_points(&f->copy),
        .is_spread = f->copy.is_spread,
        .timeout_us = copy_timeout_us(f),
    };

    for (unsigned i = 0; i < n; i++)
        payload_only[i] = f->picks[rows[i]].payload_only;
    landing->flight = f;
    LIST_INSERT_HEAD(&f->landings, landing, entry);
    crash_point(CRASH_AT_LANE_BEFORE_WRITE);
    landing->write = ship_write_start(o->up, &spec, on_written, landing);
    crash_point(CRASH_AT_LANE_WRITES);
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

static void
take_state(struct flight *f, struct state *state, const struct outcome *why, bool is_valid)
{
    unsigned read[STATE_POINTS_MAX], unread[STATE_POINTS_MAX] = { 0 }, n_read = 0, n_unread = 0;

    f->reading = NULL;
    f->state = state_ref(state);
    for (unsigned i = 0; i < f->n; i++) {
        if (f->is_in[i] && state->rows[i].kind == STATE_UNREAD)
            unread[n_unread++] = i;
        else if (f->is_in[i])
            read[n_read++] = i;
    }
    if (!is_valid) {
        for (unsigned i = 0; i < n_read; i++)
            unread[n_unread++] = read[i];
        n_read = 0;
    }
    fail_rows(f, unread, n_unread, false);
    if (why->kind != OUTCOME_OK) {
        tell(f->lane, f->lane->home->name, why);
        lane_rest(f->lane, why->retry_after_us);
    }
    if (n_read)
        write_rows(f, read, n_read);
    flight_end(f);
}

static void
end_reading(struct reading *r, struct state *state, const struct outcome *why, bool is_valid)
{
    struct flight *f;

    r->read = NULL;
    while ((f = LIST_FIRST(&r->flights))) {
        LIST_REMOVE(f, beside);
        take_state(f, state, why, is_valid);
    }
    state_unref(state);
    mem_free(r);
}

static void
on_read(void *arg, struct state *state, const struct outcome *why)
{
    struct reading *r = arg;

    crash_point(CRASH_AT_LANE_READ);
    /* Somebody else may write by now: what was read may be old. */
    end_reading(r, state, why, home_may_send(LIST_FIRST(&r->flights)->lane->home));
}

/* How many lanes have taken off with the row. */
static unsigned
count_takers(const struct reading *r, unsigned row)
{
    const struct flight *f;
    unsigned n = 0;

    LIST_FOREACH (f, &r->flights, beside)
        n += f->is_in[row];
    return n;
}

/* Those rows that are known; true: all of them are. */
static bool
fill_in(const struct flight *f, const struct reading *r, struct known_row *const *known, struct state *state)
{
    unsigned n = 0;

    for (unsigned i = 0; i < f->n; i++) {
        if (!known[i])
            continue;
        state_know(state, i, known[i]->vector, known[i]->payload, known[i]->of->text);
        ledger_taken(f->lane->home->ledger, known[i], count_takers(r, i));
        n++;
    }
    return n == f->n;
}

static void
read_points(const struct flight *f, struct reading *r, struct known_row *const *known)
{
    struct owner *o = f->lane->home->owner;
    struct state_point points[STATE_POINTS_MAX];
    struct ship_read_spec spec = {
        .cluster = str_from(f->lane->home->name),
        .collection = lexicon_name(o->collections, f->collection),
        .points = points,
        .n = f->n,
        .timeout_us = f->timeout_us,
    };

    for (unsigned i = 0; i < f->n; i++) {
        points[i].id = f->picks[i].key.point;
        points[i].shard_key = lexicon_name(o->shard_keys, f->picks[i].key.shard_key);
    }
    spec.state = state_new(points, f->n);
    if (fill_in(f, r, known, spec.state)) {
        end_reading(r, spec.state, &(struct outcome){ .kind = OUTCOME_OK }, true);
        return;
    }
    r->read = ship_read_start(o->up, &spec, on_read, r);
    crash_point(CRASH_AT_LANE_READS);
}

/* --- taking off -------------------------------------------------------------------------------------------------- */

static struct flight *
flight_new(struct lane *l)
{
    struct flight *f = MEM_NEW(struct flight);

    f->lane = l;
    f->timeout_us = timeout_us(l);
    LIST_INIT(&f->landings);
    LIST_INSERT_HEAD(&l->flights, f, entry);
    l->n_flights++;
    return f;
}

static void
give_back(struct flight *f)
{
    for (unsigned i = 0; i < f->n; i++) {
        if (f->is_in[i])
            marks_failed(f->lane->marks, &f->picks[i].key, f->picks[i].number, false);
    }
    LIST_REMOVE(f, entry);
    f->lane->n_flights--;
    mem_free(f);
}

static void
add_to_reading(struct flight *f, struct reading *r)
{
    f->reading = r;
    LIST_INSERT_HEAD(&r->flights, f, beside);
}

/* A lane that is far behind has fuller flights of its own to make. */
static bool
is_far_behind(const struct lane *l, unsigned n)
{
    return n < STATE_POINTS_MAX && marks_count(l->marks, MARK_READY) > n + STATE_POINTS_MAX;
}

/* What has `l` to ship of the points that are about to be read? Not worth a flight when that is less than half of them. */
static void
join(struct lane *l, const struct flight *first, struct reading *r)
{
    struct flight *f = flight_new(l);
    unsigned n = 0;

    f->collection = first->collection;
    f->n = first->n;
    memcpy(f->pending, first->pending, sizeof(f->pending));
    for (unsigned i = 0; i < f->n; i++) {
        f->is_in[i] = marks_take(l->marks, &first->picks[i].key, &f->picks[i]);
        n += f->is_in[i];
    }
    if (n * 2 >= f->n && lane_may_ship(l, f->collection, &f->copy))
        add_to_reading(f, r);
    else
        give_back(f);
}

static void
look(struct flight *f, struct known_row **ret_known)
{
    const struct ledger_write *pending;

    for (unsigned i = 0; i < f->n; i++) {
        ret_known[i] = ledger_look(f->lane->home->ledger, &f->picks[i].key, &pending);
        if (pending && !rule_is_off(RULE_GATE))
            f->pending[i] = pending->age;
    }
}

bool
flight_start(struct lane *l)
{
    struct flight *f = flight_new(l);
    struct known_row *known[STATE_POINTS_MAX];
    struct reading *r;
    struct lane *other;

    f->n = marks_pick(l->marks, STATE_POINTS_MAX, f->picks);
    memset(f->is_in, true, f->n);
    if (f->n == 0) {
        give_back(f);
        return false;
    }
    f->collection = f->picks[0].key.collection;
    crash_point(CRASH_AT_LANE_PICKED);
    if (!lane_may_ship(l, f->collection, &f->copy)) {
        give_back(f);
        return true;
    }
    look(f, known);
    r = MEM_NEW(struct reading);
    LIST_INIT(&r->flights);
    add_to_reading(f, r);
    LIST_FOREACH (other, &l->home->lanes, entry) {
        if (other != l && lane_has_turn(other) && !is_far_behind(other, f->n))
            join(other, f, r);
    }
    read_points(f, r, known);
    return true;
}

bool
lane_flies(const struct lane *l, struct str collection)
{
    const struct flight *f;

    LIST_FOREACH (f, &l->flights, entry) {
        if (str_eq(lexicon_name(l->home->owner->collections, f->picks[0].key.collection), collection))
            return true;
    }
    return false;
}

void
flight_cancel(struct flight *f)
{
    struct landing *landing;

    while ((landing = LIST_FIRST(&f->landings))) {
        LIST_REMOVE(landing, entry);
        ship_write_cancel(&landing->write);
        mem_free(landing);
    }
    if (f->reading) {
        LIST_REMOVE(f, beside);
        if (LIST_EMPTY(&f->reading->flights) && f->reading->read) {
            ship_read_cancel(&f->reading->read);
            mem_free(f->reading);
        }
    }
    state_unref(f->state);
    LIST_REMOVE(f, entry);
    mem_free(f);
}
