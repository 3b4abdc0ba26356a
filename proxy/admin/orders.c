/* SPDX-License-Identifier: Apache-2.0
 *
 * Orders that are given by POST: each checks its body, has the server do it, and says what came of it.
 */
#include <stdarg.h>

#include "proxy/admin/admin.h"
#include "proxy/obs/log.h"

void
admin_put_error(struct buf *out, const char *format, ...)
{
    struct buf text = { 0 };
    struct json_writer w = json_writer(out);
    va_list args;

    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    json_begin_object(&w);
    json_key(&w, "error");
    json_put_str(&w, buf_str(&text));
    json_end_object(&w);
    buf_putc(out, '\n');
    buf_fini(&text);
}

/* --- log level --------------------------------------------------------------------------------------------------- */

bool
admin_page_log_level(const struct admin_view *view, struct str query, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "level");
    json_put_text(&w, log_level_name());
    json_end_object(&w);
    buf_putc(out, '\n');
    return true;
}

/* Told at whichever of the two levels tells more. */
static bool
change_level(struct str level, const char *by)
{
    const char *was = log_level_name();
    bool was_told = log_is_on(LOG_LEVEL_INFO);

    if (was_told)
        log_info("log level " STR_FMT " ordered by %s (was %s)", STR_ARG(level), by, was);
    if (!log_set_level(level))
        return false;
    if (!was_told)
        log_info("log level " STR_FMT " ordered by %s (was %s)", STR_ARG(level), by, was);
    return true;
}

int
admin_order_log_level(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    struct str level = json_string(json_get(order->body, "level"));
    const char *was = log_level_name();
    struct json_writer w = json_writer(out);

    if (!change_level(level, order->by)) {
        admin_put_error(out, "level: expected error, warning, info or debug");
        return 400;
    }
    json_begin_object(&w);
    json_key(&w, "level");
    json_put_str(&w, level);
    json_key(&w, "was");
    json_put_text(&w, was);
    json_end_object(&w);
    buf_putc(out, '\n');
    return 200;
}

/* --- reload ------------------------------------------------------------------------------------------------------ */

int
admin_order_reload(const struct admin_view *view, const struct admin_order *order, struct buf *out)
{
    struct buf why = { 0 };

    buf_printf(&why, "ordered by %s", order->by);
    buf_putc(&why, '\0');
    view->ops->reload(view->ops_arg, order->wait, buf_str(&why).p);
    buf_fini(&why);
    return 0;
}

int
admin_reload_answer(const struct admin_reload *outcome, struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct str rest = outcome->issues, line;

    json_begin_object(&w);
    json_key(&w, "accepted");
    json_put_bool(&w, outcome->is_accepted);
    json_key(&w, "generation");
    json_put_u64(&w, outcome->generation);
    json_key(&w, "issues");
    json_begin_array(&w);
    while (rest.len) {
        str_cut(rest, '\n', &line, &rest);
        if (line.len)
            json_put_str(&w, line);
    }
    json_end_array(&w);
    if (!outcome->is_accepted) {
        json_key(&w, "error");
        json_put_text(&w, "the new configuration was refused, the old one stays in use");
    }
    json_end_object(&w);
    buf_putc(out, '\n');
    return outcome->is_accepted ? 200 : 422;
}
