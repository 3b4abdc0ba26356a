/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters that name the points themselves. What must match all of `must` is one of the ids that a `has_id` there lists, so
 * nothing else can be touched and nobody has to look. A condition counts only if `has_id` is all there is in it: Qdrant takes the
 * first kind of condition that fits.
 */
#include "proxy/sync/touch_impl.h"

static bool
read_condition(struct json_text *t, struct str *ret_ids)
{
    struct json_text inside = *t;
    struct str whole = json_text_value(t), key, value, second;

    if (!whole.len || !json_text_enter(&inside, '{') || !json_text_member(&inside, &key))
        return false;
    value = json_text_value(&inside);
    if (!str_eq(key, STR("has_id")) || !value.len || value.p[0] != '[' || json_text_member(&inside, &second))
        return false;
    *ret_ids = value;
    return !inside.is_wrong;
}

/* One condition, or an array of them. */
static bool
read_must(struct json_text *t, struct touch_has_id *ret)
{
    struct json_text ahead = *t;
    unsigned n = 0;
    bool is_found = false;

    if (!json_text_enter(&ahead, '['))
        return read_condition(t, &ret->ids);
    json_text_enter(t, '[');
    for (; json_text_element(t); n++) {
        struct str ids;

        if (!read_condition(t, &ids) || is_found)
            continue;
        ret->ids = ids;
        is_found = true;
    }
    ret->is_complete = n == 1;
    return is_found;
}

bool
touch_filter_ids(struct str filter, struct touch_has_id *ret)
{
    struct json_text text = json_text(filter);
    unsigned n_must = 0, n_members = 0;
    bool is_found = false;
    struct str key;

    ret->is_complete = true;
    if (!json_text_enter(&text, '{'))
        return false;
    for (; json_text_member(&text, &key); n_members++) {
        if (str_eq(key, STR("must"))) {
            is_found = read_must(&text, ret);
            n_must++;
        } else if (memchr(key.p, '\\', key.len)) {
            return false; /* may be a second one */
        } else {
            json_text_value(&text);
        }
    }
    ret->is_complete = ret->is_complete && n_members == 1;
    return is_found && n_must == 1 && json_text_end(&text);
}
