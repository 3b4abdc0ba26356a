/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of the admin listener for people. Whatever it says goes through text_escape(): reasons and names are free text.
 */
#include <stdlib.h>

#include "proxy/ctl/ctl_impl.h"

double
ctl_number(struct json object, const char *key)
{
    double value = 0;

    return str_to_double(json_number(json_get(object, key)), &value) ? value : 0;
}

static void
say(struct ctl *c, struct buf *to, struct str text)
{
    text_escape(text, false, to);
}

static void
warn(struct ctl *c, struct str text)
{
    buf_add(&c->err, STR("warning: "));
    say(c, &c->err, text);
    buf_putc(&c->err, '\n');
}

static struct str
decimal(struct ctl *c, double value, int decimals, const char *unit)
{
    return arena_printf(&c->arena, "%.*f%s", decimals, value, unit);
}

static struct str
milliseconds(struct ctl *c, struct json object, const char *key)
{
    double value = ctl_number(object, key);

    if (json_type(json_get(object, key)) != JSON_NUMBER)
        return STR("-");
    return decimal(c, value, value < 10 ? 1 : 0, " ms");
}

/* "2026-02-28T23:59:59.123Z" → "2026-02-28 23:59:59Z" */
static struct str
moment(struct ctl *c, struct str time)
{
    if (time.len != 24 || time.p[10] != 'T')
        return time;
    return arena_printf(&c->arena, "%.10s %.8sZ", time.p, time.p + 11);
}

/* --- status ------------------------------------------------------------------------------------------------------ */

struct str
ctl_duration(struct ctl *c, double seconds)
{
    unsigned long s = (unsigned long)seconds;

    if (s < 120)
        return arena_printf(&c->arena, "%lu s", s);
    if (s < 7200)
        return arena_printf(&c->arena, "%lu min", s / 60);
    if (s < 172800)
        return arena_printf(&c->arena, "%lu h %lu min", s / 3600, s / 60 % 60);
    return arena_printf(&c->arena, "%lu d %lu h", s / 86400, s / 3600 % 24);
}

static void
show_edge(struct ctl *c, struct json root)
{
    bool is_draining = json_bool(json_get(root, "draining"), false);
    bool is_ready = json_bool(json_get(root, "ready"), false);

    buf_add(&c->out, STR("sextant "));
    say(c, &c->out, ctl_text(root, "version"));
    buf_add(&c->out, STR("  "));
    text_tint(is_ready      ? STR("ready")
              : is_draining ? STR("draining")
                            : STR("starting"),
        is_ready ? TINT_GOOD : TINT_WARNING, &c->style, &c->out);
    buf_printf(&c->out, "  up " STR_FMT "  configuration " STR_FMT "  %.0f clients  %.1f requests/s  %.1f errors/s\n",
        STR_ARG(ctl_duration(c, ctl_number(root, "uptime_s"))), STR_ARG(json_number(json_get(root, "generation"))),
        ctl_number(root, "client_connections"), ctl_number(root, "requests_per_s"), ctl_number(root, "errors_per_s"));
}

static struct cell
override_cell(struct ctl *c, struct json override)
{
    struct str reason = ctl_text(override, "reason");

    if (json_type(override) != JSON_OBJECT)
        return (struct cell){ STR("-"), TINT_DIM };
    return (struct cell){ arena_printf(&c->arena, STR_FMT "%s" STR_FMT, STR_ARG(ctl_text(override, "state")),
                              reason.len ? ": " : "", STR_ARG(reason)),
        TINT_WARNING };
}

static void
show_clusters(struct ctl *c, struct json clusters)
{
    static const char *const heads[] = { "CLUSTER", "STATE", ">RTT", ">COST", ">REQ/S", ">ERR/S", ">RUNNING",
        ">WAITING", "OVERRIDE" };
    struct table t;

    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(clusters); json_next(&i);) {
        bool is_up = json_bool(json_get(i.value, "up"), false);
        bool is_part = is_up && json_size(json_get(i.value, "incomplete")) > 0;
        bool is_held = !is_up && json_type(json_get(i.value, "override")) == JSON_OBJECT;
        double errors = ctl_number(i.value, "errors_per_s");
        struct cell *row = table_row(&t);

        row[0] = (struct cell){ ctl_text(i.value, "name"), TINT_NONE };
        row[1] = (struct cell){ is_part   ? STR("incomplete")
                                : is_up   ? STR("up")
                                : is_held ? STR("out")
                                          : STR("down"),
            is_part || is_held ? TINT_WARNING
            : is_up            ? TINT_GOOD
                               : TINT_BAD };
        row[2] = (struct cell){ milliseconds(c, i.value, "rtt_ms"), TINT_NONE };
        row[3] = (struct cell){ milliseconds(c, i.value, "cost_ms"), TINT_NONE };
        row[4] = (struct cell){ decimal(c, ctl_number(i.value, "requests_per_s"), 1, ""), TINT_NONE };
        row[5] = (struct cell){ decimal(c, errors, 1, ""), errors > 0 ? TINT_BAD : TINT_NONE };
        row[6] = (struct cell){ json_number(json_get(i.value, "outstanding")), TINT_NONE };
        row[7] = (struct cell){ json_number(json_get(i.value, "waiting")), TINT_NONE };
        row[8] = override_cell(c, json_get(i.value, "override"));
    }
    table_print(&t, &c->style, &c->out);
}

static enum tint
tint_of(struct json endpoint)
{
    struct str state = ctl_text(endpoint, "state");

    if (!json_bool(json_get(endpoint, "usable"), false))
        return TINT_BAD;
    return str_eq(state, STR("up")) ? TINT_GOOD : TINT_WARNING;
}

static void
add_endpoint(struct ctl *c, struct table *t, struct json e)
{
    struct cell *row = table_row(t);
    struct cell override = override_cell(c, json_get(e, "override"));
    struct str why = ctl_text(e, "reason");

    row[0] = (struct cell){ ctl_text(e, "name"), TINT_NONE };
    row[1] = (struct cell){ ctl_text(e, "url"), TINT_NONE };
    row[2] = (struct cell){ ctl_text(e, "address"), TINT_NONE };
    row[3] = (struct cell){ ctl_text(e, "state"), tint_of(e) };
    row[4] = (struct cell){ moment(c, ctl_text(e, "since")), TINT_NONE };
    row[5] = (struct cell){ json_number(json_get(e, "outstanding")), TINT_NONE };
    row[6] = (struct cell){ milliseconds(c, e, "latency_ms"), TINT_NONE };
    row[7] = json_type(json_get(e, "override")) == JSON_OBJECT ? override : (struct cell){ why, TINT_NONE };
}

static void
show_endpoints(struct ctl *c, struct json clusters)
{
    static const char *const heads[] = { "ENDPOINT", "URL", "ADDRESS", "STATE", "SINCE", ">RUNNING", ">LATENCY",
        "WHY" };
    struct table t;

    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(clusters); json_next(&i);) {
        for (struct json_iter k = json_iter(json_get(i.value, "endpoints")); json_next(&k);)
            add_endpoint(c, &t, k.value);
    }
    table_print(&t, &c->style, &c->out);
}

void
ctl_show_status(struct ctl *c, struct json root)
{
    struct json clusters = json_get(root, "clusters");
    struct str error = ctl_text(root, "last_reload_error"), line;

    show_edge(c, root);
    buf_putc(&c->out, '\n');
    show_clusters(c, clusters);
    buf_putc(&c->out, '\n');
    show_endpoints(c, clusters);
    ctl_show_changes(c, root);
    for (struct json_iter i = json_iter(json_get(root, "warnings")); json_next(&i);)
        warn(c, json_string(i.value));
    while (error.len) {
        str_cut(error, '\n', &line, &error);
        if (line.len)
            warn(c, arena_printf(&c->arena, "the last reload was refused: " STR_FMT, STR_ARG(line)));
    }
}

/* --- overrides --------------------------------------------------------------------------------------------------- */

void
ctl_show_overrides(struct ctl *c, struct json root)
{
    static const char *const heads[] = { "TARGET", "STATE", "SINCE", "BY", "REASON" };
    struct json list = json_get(root, "overrides");
    struct table t;

    table_init(&t, &c->arena, heads, sizeof(heads) / sizeof(heads[0]));
    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct cell *row = table_row(&t);

        row[0] = (struct cell){ ctl_text(i.value, "target"), TINT_NONE };
        row[1] = (struct cell){ ctl_text(i.value, "state"), TINT_WARNING };
        row[2] = (struct cell){ moment(c, ctl_text(i.value, "since")), TINT_NONE };
        row[3] = (struct cell){ ctl_text(i.value, "by"), TINT_NONE };
        row[4] = (struct cell){ ctl_text(i.value, "reason"), TINT_NONE };
        if (!json_bool(json_get(i.value, "known"), true))
            warn(c, arena_printf(&c->arena, "the configuration has no " STR_FMT, STR_ARG(row[0].text)));
    }
    if (json_size(list))
        table_print(&t, &c->style, &c->out);
    else
        buf_add(&c->out, STR("no overrides\n"));
    if (json_size(list) && !json_bool(json_get(root, "survive_restart"), true))
        warn(c, STR("they will not survive a restart: there is no SEXTANT_STATE_DIR"));
}

void
ctl_show_hold(struct ctl *c, struct json root)
{
    struct str state = ctl_text(root, "state"), was = ctl_text(root, "was"), reason = ctl_text(root, "reason");
    bool is_up = str_eq(state, STR("up")), was_up = str_eq(was, STR("up"));

    say(c, &c->out, ctl_text(root, "target"));
    if (is_up)
        buf_add(&c->out, was_up ? STR(" had no override") : STR(" is left to the probes again"));
    else
        buf_add(&c->out, str_eq(state, STR("drain")) ? STR(" is drained") : STR(" is down"));
    if (!was_up) {
        buf_add(&c->out, STR(" (was "));
        say(c, &c->out, was);
        buf_putc(&c->out, ')');
    }
    if (reason.len) {
        buf_add(&c->out, STR(": "));
        say(c, &c->out, reason);
    }
    buf_putc(&c->out, '\n');
    for (struct json_iter i = json_iter(json_get(root, "warnings")); json_next(&i);)
        warn(c, json_string(i.value));
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

void
ctl_show_reload(struct ctl *c, struct json root)
{
    bool is_accepted = json_bool(json_get(root, "accepted"), false);

    for (struct json_iter i = json_iter(json_get(root, "issues")); json_next(&i);) {
        say(c, &c->err, json_string(i.value));
        buf_putc(&c->err, '\n');
    }
    buf_printf(is_accepted ? &c->out : &c->err,
        is_accepted ? "configuration " STR_FMT " is in use\n" : "refused: configuration " STR_FMT " stays in use\n",
        STR_ARG(json_number(json_get(root, "generation"))));
}

void
ctl_show_level(struct ctl *c, struct json root)
{
    struct str was = ctl_text(root, "was");

    say(c, &c->out, ctl_text(root, "level"));
    if (was.len) {
        buf_add(&c->out, STR(" (was "));
        say(c, &c->out, was);
        buf_putc(&c->out, ')');
    }
    buf_putc(&c->out, '\n');
}
