/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers about lanes, for people.
 */
#include "proxy/ctl/ctl_impl.h"

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

void
ctl_show_lanes(struct ctl *c, struct json root)
{
    static const char *const heads[] = { "LANE", ">LAG", ">WAITING", ">AGAIN", ">REFUSED", "TROUBLE" };
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
        row[5] = (struct cell){ ctl_text(i.value, "trouble"), TINT_BAD };
    }
    table_print(&t, &c->style, &c->out);
}

void
ctl_show_retry(struct ctl *c, struct json root)
{
    buf_printf(&c->out, STR_FMT ": %.0f refused points are tried again\n", STR_ARG(c->words[1]),
        ctl_number(root, "points_refused"));
}
