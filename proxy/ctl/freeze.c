/* SPDX-License-Identifier: Apache-2.0
 *
 * Freezing for a change of the map: the order, and how far it is.
 */
#include <poll.h>

#include "proxy/base/clock.h"
#include "proxy/ctl/ctl_impl.h"

enum { PAUSE_MS = 300, ANSWER_US = 60 * 1000 * 1000, WAIT_S = 86400 };

/* An exit code; the answer is there with CTL_DONE. */
static int
ask(struct ctl *c, const char *method, struct str body, struct client_answer *ret_answer)
{
    struct client_request request = {
        .method = method, .target = STR("/freeze"), .token = c->token, .body = body, .timeout_us = ANSWER_US
    };

    return ctl_request(c, &request, ret_answer);
}

/* What the command names, by the edge's own name of the line; without one: all that is frozen. */
struct wanted {
    struct str line, partition;
};

static int
order(struct ctl *c, struct wanted *ret_wanted)
{
    struct client_answer answer = { .status = 0 };
    struct json_doc *doc = NULL;
    struct buf body = { 0 };
    struct json_writer w = json_writer(&body);
    int code;

    json_begin_object(&w);
    json_member_str(&w, "target", c->words[1]);
    if (c->without.p)
        json_member_str(&w, "without", c->without);
    if (c->reason.p)
        json_member_str(&w, "reason", c->reason);
    ctl_put_by(c, &w);
    json_end_object(&w);
    code = ask(c, "POST", buf_str(&body), &answer);
    if (code == CTL_DONE)
        doc = json_parse(buf_str(&answer.body), NULL, NULL);
    if (doc) {
        ret_wanted->line = arena_str(&c->arena, ctl_text(json_root(doc), "line"));
        str_cut(c->words[1], '/', &(struct str){ NULL }, &ret_wanted->partition);
    }
    json_free(doc);
    buf_fini(&body);
    buf_fini(&answer.body);
    return code;
}

static bool
is_wanted(const struct wanted *w, struct json row)
{
    if (w->line.len == 0)
        return true;
    return str_eq(ctl_text(row, "line"), w->line) &&
           (w->partition.len == 0 || str_eq(ctl_text(row, "partition"), w->partition));
}

/* How many there are of them; gives how many are not drained yet. */
static unsigned
count_left(struct json root, const struct wanted *w, unsigned *ret_all)
{
    unsigned n = 0, n_left = 0;

    for (struct json_iter i = json_iter(json_get(root, "frozen")); json_next(&i);) {
        n += is_wanted(w, i.value);
        n_left += is_wanted(w, i.value) && !json_bool(json_get(i.value, "drained"), false);
    }
    *ret_all = n;
    return n_left;
}

static struct cell
state_cell(struct json row)
{
    if (json_bool(json_get(row, "released"), false))
        return (struct cell){ STR("released"), TINT_GOOD };
    if (json_bool(json_get(row, "drained"), false))
        return (struct cell){ STR("drained"), TINT_GOOD };
    return (struct cell){ STR("frozen"), TINT_WARNING };
}

static void
show(struct ctl *c, struct json root, const struct wanted *w)
{
    static const char *const heads[] = { "LINE", "PARTITION", "HOME", ">FOR", "STATE", "WITHOUT", "BY", "LEFT" };
    struct json list = json_get(root, "frozen");
    struct table t;
    unsigned n;

    count_left(root, w, &n);
    if (n == 0) {
        buf_add(&c->out, STR("nothing is frozen\n"));
        return;
    }
    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct cell *row = is_wanted(w, i.value) ? table_row(&t) : NULL;

        if (!row)
            continue;
        row[0].text = ctl_text(i.value, "line");
        row[1].text = ctl_text(i.value, "partition");
        row[2].text = ctl_text(i.value, "home");
        row[3].text = ctl_duration(c, ctl_number(i.value, "seconds"));
        row[4] = state_cell(i.value);
        row[5].text = ctl_text(i.value, "without");
        row[6].text = ctl_text(i.value, "by");
        row[7].text = ctl_text(i.value, "left");
    }
    table_print(&t, &c->style, &c->out);
}

void
ctl_show_changes(struct ctl *c, struct json root)
{
    static const char *const heads[] = { "RESTORED HOME", "FROM", "STAGE", "TROUBLE" };
    struct json restoring = json_get(root, "restoring");
    struct table t;

    if (json_size(json_get(root, "frozen"))) {
        buf_putc(&c->out, '\n');
        show(c, root, &(struct wanted){ .line = STR_NONE });
    }
    if (json_size(restoring) == 0)
        return;
    buf_putc(&c->out, '\n');
    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(restoring); json_next(&i);) {
        struct cell *row = table_row(&t);

        row[0].text = ctl_text(i.value, "home");
        row[1].text = ctl_text(i.value, "from");
        row[2] = (struct cell){ ctl_text(i.value, "stage"), TINT_WARNING };
        row[3] = (struct cell){ ctl_text(i.value, "trouble"), TINT_BAD };
    }
    table_print(&t, &c->style, &c->out);
}

/* With --wait: not drained in time, or somebody has unfrozen it meanwhile. */
static int
judge(struct ctl *c, const struct wanted *w, unsigned n_all, unsigned n_left)
{
    if (w->line.len && n_all == 0)
        buf_printf(&c->err, "sextant ctl: " STR_FMT " is not frozen any more\n", STR_ARG(c->words[1]));
    return n_left || (w->line.len && n_all == 0) ? CTL_REFUSED : CTL_DONE;
}

/* Asked again and again with --wait, until all that is wanted is drained. */
static int
look(struct ctl *c, const struct wanted *w)
{
    int64_t until_us = clock_mono_us() + (c->timeout_us ? c->timeout_us : WAIT_S * USEC_PER_SEC);
    bool is_over = false;
    int code = CTL_DONE;

    while (code == CTL_DONE && !is_over) {
        struct client_answer answer = { .status = 0 };
        struct json_doc *doc = NULL;
        unsigned n_all = 0, n_left = 0;

        code = ask(c, "GET", STR_NONE, &answer);
        if (code == CTL_DONE)
            doc = json_parse(buf_str(&answer.body), NULL, NULL);
        if (doc)
            n_left = count_left(json_root(doc), w, &n_all);
        is_over = doc && (!c->waits || n_left == 0 || clock_mono_us() >= until_us);
        if (is_over && c->is_json)
            buf_add(&c->out, buf_str(&answer.body));
        else if (is_over)
            show(c, json_root(doc), w);
        if (is_over && c->waits)
            code = judge(c, w, n_all, n_left);
        json_free(doc);
        buf_fini(&answer.body);
        if (code == CTL_DONE && !is_over)
            poll(NULL, 0, PAUSE_MS);
    }
    return code;
}

int
ctl_freeze(struct ctl *c)
{
    struct wanted wanted = { .line = STR_NONE };
    int code = c->n_words > 1 ? order(c, &wanted) : CTL_DONE;

    return code == CTL_DONE ? look(c, &wanted) : code;
}

void
ctl_show_unfreeze(struct ctl *c, struct json root)
{
    buf_printf(&c->out, STR_FMT ": writes are taken again\n", STR_ARG(c->words[1]));
}

void
ctl_show_release(struct ctl *c, struct json root)
{
    buf_printf(&c->out, STR_FMT ": its claim is given up; another edge may take it\n", STR_ARG(c->words[1]));
}
