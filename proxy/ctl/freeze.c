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

static int
order(struct ctl *c)
{
    struct client_answer answer = { .status = 0 };
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
    buf_fini(&body);
    buf_fini(&answer.body);
    return code;
}

static bool
are_drained(struct json root)
{
    for (struct json_iter i = json_iter(json_get(root, "frozen")); json_next(&i);) {
        if (!json_bool(json_get(i.value, "drained"), false))
            return false;
    }
    return true;
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
show(struct ctl *c, struct json root)
{
    static const char *const heads[] = { "LINE", "PARTITION", "HOME", ">FOR", "STATE", "WITHOUT", "BY", "LEFT" };
    struct json list = json_get(root, "frozen");
    struct table t;

    if (json_size(list) == 0) {
        buf_add(&c->out, STR("nothing is frozen\n"));
        return;
    }
    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct cell *row = table_row(&t);

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

/* Asked again and again with --wait, until all that is frozen is drained. */
static int
look(struct ctl *c)
{
    int64_t until_us = clock_mono_us() + (c->timeout_us ? c->timeout_us : WAIT_S * USEC_PER_SEC);
    bool is_over = false;
    int code = CTL_DONE;

    while (code == CTL_DONE && !is_over) {
        struct client_answer answer = { .status = 0 };
        struct json_doc *doc = NULL;
        bool is_drained;

        code = ask(c, "GET", STR_NONE, &answer);
        if (code == CTL_DONE)
            doc = json_parse(buf_str(&answer.body), NULL, NULL);
        is_drained = doc && are_drained(json_root(doc));
        is_over = doc && (!c->waits || is_drained || clock_mono_us() >= until_us);
        if (is_over && c->is_json)
            buf_add(&c->out, buf_str(&answer.body));
        else if (is_over)
            show(c, json_root(doc));
        if (is_over && c->waits && !is_drained)
            code = CTL_REFUSED;
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
    int code = c->n_words > 1 ? order(c) : CTL_DONE;

    return code == CTL_DONE ? look(c) : code;
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
