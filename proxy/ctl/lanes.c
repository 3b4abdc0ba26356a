/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers about lanes, for people.
 */
#include <poll.h>

#include "proxy/base/clock.h"
#include "proxy/ctl/ctl_impl.h"

enum { PAUSE_MS = 200, ANSWER_US = 10 * 1000 * 1000, COMPARE_S = 86400 };

static struct cell
lag_cell(struct ctl *c, struct json lane)
{
    double lag_s = ctl_number(lane, "lag_seconds");

    if (lag_s < 120)
        return (struct cell){ arena_printf(&c->arena, "%.1f s", lag_s), lag_s > 60 ? TINT_WARNING : TINT_NONE };
    return (struct cell){ ctl_duration(c, lag_s), TINT_WARNING };
}

static struct cell
count_cell(struct json lane, const char *key, enum tint tint)
{
    struct str text = json_number(json_get(lane, key));

    return (struct cell){ text, str_eq(text, STR("0")) ? TINT_NONE : tint };
}

/* "mends notes 37 %" */
static struct cell
walk_cell(struct ctl *c, struct json walk)
{
    struct str state = ctl_text(walk, "state");
    double points = ctl_number(walk, "points"), passed = ctl_number(walk, "points_passed");
    bool is_under_way = str_eq(state, STR("mends")) || str_eq(state, STR("compares"));

    if (!is_under_way)
        return (struct cell){ str_eq(state, STR("over")) ? STR("") : state, TINT_WARNING };
    return (struct cell){ arena_printf(&c->arena, STR_FMT " " STR_FMT " %.0f %%", STR_ARG(state),
                              STR_ARG(ctl_text(walk, "collection")),
                              points > 0 && passed < points ? passed / points * 100 : 100),
        TINT_WARNING };
}

static struct str
trouble_of(struct json lane)
{
    struct str trouble = ctl_text(lane, "trouble");

    return trouble.len ? trouble : ctl_text(json_get(lane, "walk"), "trouble");
}

static void
show_journal(struct ctl *c, struct json journal)
{
    static const double mib = 1024 * 1024;
    struct json full_in = json_get(journal, "full_in_seconds");

    buf_printf(&c->out, "journal: %.1f of %.1f MiB", ctl_number(journal, "used_bytes") / mib,
        ctl_number(journal, "quota_bytes") / mib);
    if (json_type(full_in) == JSON_NUMBER)
        buf_printf(&c->out, ", full in " STR_FMT " if it goes on like this",
            STR_ARG(ctl_duration(c, ctl_number(journal, "full_in_seconds"))));
    if (ctl_text(journal, "error").len)
        buf_printf(&c->out, ", " STR_FMT, STR_ARG(ctl_text(journal, "error")));
    buf_putc(&c->out, '\n');
}

void
ctl_show_lanes(struct ctl *c, struct json root)
{
    static const char *const heads[] = { "LANE", ">LAG", ">WAITING", ">AGAIN", ">REFUSED", "WALK", "TROUBLE" };
    struct json lanes = json_get(root, "lanes");
    struct table t;

    if (json_size(lanes) == 0) {
        buf_add(&c->out, STR("this edge has no lanes: it owns no home of writes that fan out\n"));
        return;
    }
    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(lanes); json_next(&i);) {
        struct cell *row = table_row(&t);

        row[0].text = arena_printf(
            &c->arena, STR_FMT "/" STR_FMT, STR_ARG(ctl_text(i.value, "home")), STR_ARG(ctl_text(i.value, "copy")));
        row[1] = lag_cell(c, i.value);
        row[2] = count_cell(i.value, "points_waiting", TINT_NONE);
        row[3] = count_cell(i.value, "points_again", TINT_NONE);
        row[4] = count_cell(i.value, "points_refused", TINT_BAD);
        row[5] = walk_cell(c, json_get(i.value, "walk"));
        row[6] = (struct cell){ trouble_of(i.value), TINT_BAD };
    }
    table_print(&t, &c->style, &c->out);
    show_journal(c, json_get(root, "journal"));
}

void
ctl_show_adopt(struct ctl *c, struct json root)
{
    buf_printf(&c->out, STR_FMT ": adopted; the copies get the mark now\n", STR_ARG(c->words[1]));
}

/* "1, 2, 5b6f… and 17 more" */
static struct str
points_text(struct ctl *c, struct json row)
{
    unsigned n = (unsigned)ctl_number(row, "points_count"), shown = 0;
    struct buf text = { 0 };
    struct str whole;

    for (struct json_iter i = json_iter(json_get(row, "points")); json_next(&i) && shown < 5; shown++) {
        struct json id = json_get(i.value, "id");

        buf_printf(&text, "%s" STR_FMT, shown > 0 ? ", " : "",
            STR_ARG(json_type(id) == JSON_NUMBER ? json_number(id) : json_string(id)));
    }
    if (n > shown)
        buf_printf(&text, "%s%u more", shown > 0 ? " and " : "", n - shown);
    whole = arena_str(&c->arena, buf_str(&text));
    buf_fini(&text);
    return whole;
}

static void
held_row(struct ctl *c, struct cell *row, struct json held, const char *why)
{
    struct str copy = ctl_text(held, "copy");

    row[0].text = ctl_text(held, "home");
    if (copy.len)
        row[0].text = arena_printf(&c->arena, STR_FMT "/" STR_FMT, STR_ARG(row[0].text), STR_ARG(copy));
    row[1].text = ctl_text(held, "collection");
    row[2].text = points_text(c, held);
    row[3] = (struct cell){ str_from(why), TINT_BAD };
    if (json_type(json_get(held, "seconds_left")) == JSON_NUMBER)
        row[3] = (struct cell){
            arena_printf(&c->arena, "held for %.0f s more at least", ctl_number(held, "seconds_left")), TINT_WARNING
        };
}

void
ctl_show_held(struct ctl *c, struct json root)
{
    static const char *const heads[] = { "WHERE", "COLLECTION", "POINTS", "WHY" };
    struct table t;

    if (json_size(json_get(root, "held")) + json_size(json_get(root, "refused")) == 0) {
        buf_add(&c->out, STR("no point is held, and no copy refuses one\n"));
        return;
    }
    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(json_get(root, "held")); json_next(&i);)
        held_row(c, table_row(&t), i.value, "");
    for (struct json_iter i = json_iter(json_get(root, "refused")); json_next(&i);)
        held_row(c, table_row(&t), i.value, "the copy refuses it");
    table_print(&t, &c->style, &c->out);
}

void
ctl_show_retry(struct ctl *c, struct json root)
{
    buf_printf(&c->out, STR_FMT ": %.0f refused points are tried again\n", STR_ARG(c->words[1]),
        ctl_number(root, "points_refused"));
}

void
ctl_show_resync(struct ctl *c, struct json root)
{
    buf_printf(
        &c->out, STR_FMT ": compared with home from now on; `sextant ctl lanes` shows how far\n", STR_ARG(c->words[1]));
}

void
ctl_show_restore(struct ctl *c, struct json root)
{
    if (json_bool(json_get(root, "called_off"), false)) {
        buf_printf(&c->out, STR_FMT ": it is not brought back from " STR_FMT "%s\n", STR_ARG(c->words[1]),
            STR_ARG(ctl_text(root, "from")),
            json_bool(json_get(root, "closed"), true) ? ", and stays closed until it is restored" : "");
        return;
    }
    buf_printf(&c->out,
        STR_FMT ": nothing else is written there until it is what " STR_FMT
                " is; `sextant ctl lanes` shows how far it is\n",
        STR_ARG(c->words[1]), STR_ARG(ctl_text(root, "from")));
}

/* --- compare ----------------------------------------------------------------------------------------------------- */

/* An exit code; the answer is there with CTL_DONE. */
static int
ask(struct ctl *c, bool begins, struct client_answer *ret_answer)
{
    struct client_request request = {
        .method = "POST", .target = STR("/compare"), .token = c->token, .timeout_us = ANSWER_US
    };
    struct buf body = { 0 };
    struct json_writer w = json_writer(&body);
    int code;

    json_begin_object(&w);
    json_member_bool(&w, "begin", begins);
    json_member_bool(&w, "repair", c->repairs);
    if (c->n_words > 1)
        json_member_str(&w, "target", c->words[1]);
    if (c->collection.p)
        json_member_str(&w, "collection", c->collection);
    ctl_put_by(c, &w);
    json_end_object(&w);
    request.body = buf_str(&body);
    code = ctl_request(c, &request, ret_answer);
    buf_fini(&body);
    return code;
}

static bool
is_over(struct json root)
{
    for (struct json_iter i = json_iter(json_get(root, "lanes")); json_next(&i);) {
        struct str state = ctl_text(i.value, "state");

        if (str_eq(state, STR("compares")) || str_eq(state, STR("mends")))
            return false;
    }
    return true;
}

static struct str
finding(struct ctl *c, struct json row)
{
    if (json_bool(json_get(row, "absent"), false))
        return STR("one of the two lacks the collection");
    if (!json_bool(json_get(row, "done"), false))
        return STR("not compared to the end");
    if (ctl_number(row, "missing") + ctl_number(row, "unlike") + ctl_number(row, "extra") == 0)
        return STR("equal");
    return arena_printf(&c->arena, "%.0f missing, %.0f unlike, %.0f too many%s", ctl_number(row, "missing"),
        ctl_number(row, "unlike"), ctl_number(row, "extra"), c->repairs ? ": being mended" : "");
}

/* Are all equal? */
static bool
show(struct ctl *c, struct json root)
{
    static const char *const heads[] = { "LANE", "COLLECTION", ">HOME", ">COPY", "FOUND" };
    struct table t;
    bool is_equal = true;

    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(json_get(root, "lanes")); json_next(&i);) {
        struct str lane = arena_printf(
            &c->arena, STR_FMT "/" STR_FMT, STR_ARG(ctl_text(i.value, "home")), STR_ARG(ctl_text(i.value, "copy")));

        is_equal = is_equal && str_eq(ctl_text(i.value, "state"), STR("over"));
        if (ctl_text(i.value, "trouble").len)
            buf_printf(&c->err, STR_FMT ": " STR_FMT "\n", STR_ARG(lane), STR_ARG(ctl_text(i.value, "trouble")));
        for (struct json_iter k = json_iter(json_get(i.value, "collections")); json_next(&k);) {
            struct cell *row = table_row(&t);
            struct str found = finding(c, k.value);
            bool is_same = str_eq(found, STR("equal"));

            row[0].text = lane;
            row[1].text = ctl_text(k.value, "collection");
            row[2].text = json_number(json_get(k.value, "points"));
            row[3].text = json_number(json_get(k.value, "points_of_copy"));
            row[4] = (struct cell){ found, is_same ? TINT_GOOD : TINT_BAD };
            is_equal = is_equal && is_same;
        }
    }
    if (c->is_json)
        return is_equal;
    table_print(&t, &c->style, &c->out);
    return is_equal;
}

int
ctl_compare(struct ctl *c)
{
    int64_t until_us = clock_mono_us() + (c->timeout_us ? c->timeout_us : COMPARE_S * USEC_PER_SEC);
    bool begins = true, is_done = false;
    int code = CTL_DONE;

    while (code == CTL_DONE && !is_done) {
        struct client_answer answer = { .status = 0 };
        struct json_doc *doc = NULL;

        code = ask(c, begins, &answer);
        begins = false;
        if (code == CTL_DONE)
            doc = json_parse(buf_str(&answer.body), NULL, NULL);
        is_done = doc && (is_over(json_root(doc)) || clock_mono_us() >= until_us);
        if (is_done && !show(c, json_root(doc)))
            code = CTL_REFUSED;
        if (is_done && c->is_json)
            buf_add(&c->out, buf_str(&answer.body));
        json_free(doc);
        buf_fini(&answer.body);
        if (code == CTL_DONE && !is_done)
            poll(NULL, 0, PAUSE_MS);
    }
    return code;
}
