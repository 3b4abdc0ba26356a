/* SPDX-License-Identifier: Apache-2.0
 *
 * The query of a write, with wait=true in place of what it said: nobody knows what came of a write that isn't waited for.
 */
#include "proxy/route/form.h"
#include "proxy/sync/touch.h"

enum { WAIT = 1, TIMEOUT = 2, ORDERING = 4 };

static unsigned
member_of(struct str key)
{
    if (form_equals(key, STR("wait")))
        return WAIT;
    if (form_equals(key, STR("timeout")))
        return TIMEOUT;
    return form_equals(key, STR("ordering")) ? ORDERING : 0;
}

static bool
take_wait(struct touch_query *q, struct str value)
{
    q->wait = form_equals(value, STR("true"));
    return q->wait || form_equals(value, STR("false"));
}

static bool
take_ordering(struct touch_query *q, struct str value)
{
    static const char *const names[] = { "weak", "medium", "strong" };

    for (unsigned i = TOUCH_WEAK; i <= TOUCH_STRONG; i++) {
        if (form_equals(value, str_from(names[i]))) {
            q->ordering = (enum touch_ordering)i;
            return true;
        }
    }
    return false;
}

static bool
take_value(struct touch_query *q, unsigned member, struct str value)
{
    switch (member) {
    case WAIT:
        return take_wait(q, value);
    case TIMEOUT:
        q->has_timeout = form_u64(value, &q->timeout_s);
        return q->has_timeout;
    case ORDERING:
        return take_ordering(q, value);
    default:
        return true;
    }
}

static enum fail
refuse(struct arena *arena, const char *what, struct str name, struct str *ret_error)
{
    *ret_error = arena_printf(arena, "%s `" STR_FMT "` in the query", what, STR_ARG(name));
    return FAIL_BAD_TARGET;
}

enum fail
touch_query_of(struct str query, struct arena *arena, struct touch_query *ret_query, struct str *ret_error)
{
    struct touch_query q = { .waiting = STR_NONE };
    struct buf waiting = { 0 };
    struct str key, value;
    enum fail fail = FAIL_NONE;
    unsigned seen = 0;

    buf_add(&waiting, STR("wait=true"));
    while (!fail && form_next(&query, &key, &value)) {
        unsigned member = member_of(key);

        if (member & seen)
            fail = refuse(arena, "repeated", key, ret_error);
        else if (!take_value(&q, member, value))
            fail = refuse(arena, "malformed", key, ret_error);
        seen |= member;
        if (member == WAIT)
            continue;
        buf_putc(&waiting, '&');
        buf_append(&waiting, key.p, (size_t)(value.p + value.len - key.p));
    }
    q.waiting = arena_str(arena, buf_str(&waiting));
    buf_fini(&waiting);
    if (!fail)
        *ret_query = q;
    return fail;
}
