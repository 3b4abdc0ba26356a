/* SPDX-License-Identifier: Apache-2.0
 *
 * The only user of yyjson. Numbers are read as raw text: re-printing a float or an integer past 2^53 would change what
 * a write means. Recursion is bounded by the nesting limit that json_parse() enforces.
 */
#include "proxy/base/json.h"

#include <stdlib.h>

#include <yyjson.h>

#include "proxy/base/mem.h"

enum { DEPTH_MAX = 512 };

static yyjson_val *
raw_val(struct json v)
{
    return (yyjson_val *)(uintptr_t)v.val;
}

static const char *
nesting_error(struct str text, size_t *ret_offset)
{
    unsigned depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];

        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > DEPTH_MAX) {
                *ret_offset = i;
                return "nested too deeply";
            }
        } else if ((c == ']' || c == '}') && depth) {
            depth--;
        }
    }
    return NULL;
}

struct json_doc *
json_parse(struct str text, const char **ret_error, size_t *ret_offset)
{
    yyjson_read_err err = { 0 };
    size_t offset = 0;
    const char *error = nesting_error(text, &offset);
    yyjson_doc *doc = NULL;

    if (!error) {
        doc = yyjson_read_opts(
            (char *)(uintptr_t)(text.len ? text.p : ""), text.len, YYJSON_READ_NUMBER_AS_RAW, NULL, &err);
        error = err.msg;
        offset = err.pos;
    }
    if (!doc) {
        if (ret_error)
            *ret_error = error;
        if (ret_offset)
            *ret_offset = offset;
    }
    return (struct json_doc *)doc;
}

void
json_free(struct json_doc *doc)
{
    yyjson_doc_free((yyjson_doc *)doc);
}

struct json
json_root(const struct json_doc *doc)
{
    return (struct json){ yyjson_doc_get_root((yyjson_doc *)(uintptr_t)doc) };
}

enum json_type
json_type(struct json v)
{
    switch (yyjson_get_type(raw_val(v))) {
    case YYJSON_TYPE_NULL:
        return JSON_NULL;
    case YYJSON_TYPE_BOOL:
        return JSON_BOOL;
    case YYJSON_TYPE_RAW:
    case YYJSON_TYPE_NUM:
        return JSON_NUMBER;
    case YYJSON_TYPE_STR:
        return JSON_STRING;
    case YYJSON_TYPE_ARR:
        return JSON_ARRAY;
    case YYJSON_TYPE_OBJ:
        return JSON_OBJECT;
    default:
        return JSON_NONE;
    }
}

struct json
json_get_str(struct json object, struct str key)
{
    return (struct json){ yyjson_obj_getn(raw_val(object), key.len ? key.p : "", key.len) };
}

struct json
json_get(struct json object, const char *key)
{
    return json_get_str(object, str_from(key));
}

struct str
json_string(struct json v)
{
    if (json_type(v) != JSON_STRING)
        return STR_NONE;
    return str_make(yyjson_get_str(raw_val(v)), yyjson_get_len(raw_val(v)));
}

struct str
json_number(struct json v)
{
    if (json_type(v) != JSON_NUMBER)
        return STR_NONE;
    return str_make(yyjson_get_raw(raw_val(v)), yyjson_get_len(raw_val(v)));
}

bool
json_bool(struct json v, bool otherwise)
{
    return json_type(v) == JSON_BOOL ? yyjson_get_bool(raw_val(v)) : otherwise;
}

size_t
json_size(struct json v)
{
    enum json_type type = json_type(v);

    return type == JSON_ARRAY || type == JSON_OBJECT ? yyjson_get_len(raw_val(v)) : 0;
}

struct json_iter
json_iter(struct json v)
{
    return (struct json_iter){ .parent = v };
}

bool
json_next(struct json_iter *i)
{
    yyjson_val *parent = raw_val(i->parent);
    bool is_object = json_type(i->parent) == JSON_OBJECT;

    if (i->index >= json_size(i->parent))
        return false;
    if (i->index == 0)
        i->at = unsafe_yyjson_get_first(parent);
    else
        i->at = unsafe_yyjson_get_next((yyjson_val *)(uintptr_t)i->value.val);
    i->index++;
    i->key = STR_NONE;
    i->value.val = i->at;
    if (is_object) {
        yyjson_val *key = (yyjson_val *)(uintptr_t)i->at;

        i->key = str_make(yyjson_get_str(key), yyjson_get_len(key));
        i->value.val = key + 1;
    }
    return true;
}

static bool
has_duplicate_here(struct json object, struct str *ret_key)
{
    size_t n = json_size(object), at = 0;
    struct str *keys;
    bool found = false;

    if (n < 2)
        return false;
    keys = mem_array(n, sizeof(*keys));
    for (struct json_iter i = json_iter(object); json_next(&i);)
        keys[at++] = i.key;
    qsort(keys, n, sizeof(*keys), str_compare);
    for (size_t i = 1; i < n && !found; i++) {
        if (str_eq(keys[i - 1], keys[i])) {
            *ret_key = keys[i];
            found = true;
        }
    }
    mem_free(keys);
    return found;
}

bool
json_has_duplicate_key(struct json v, struct str *ret_key)
{
    enum json_type type = json_type(v);

    if (type == JSON_OBJECT && has_duplicate_here(v, ret_key))
        return true;
    if (type != JSON_OBJECT && type != JSON_ARRAY)
        return false;
    for (struct json_iter i = json_iter(v); json_next(&i);) {
        if (json_has_duplicate_key(i.value, ret_key))
            return true;
    }
    return false;
}

static bool
numbers_equal(struct str a, struct str b)
{
    double x, y;

    if (str_eq(a, b))
        return true;
    /* Two different integers past 2^53 may be one double, so only texts with a fraction or exponent are compared so. */
    if (str_find(a, '.') < 0 && str_find(b, '.') < 0 && str_find(a, 'e') < 0 && str_find(b, 'e') < 0)
        return false;
    return str_to_double(a, &x) && str_to_double(b, &y) && x == y;
}

static bool
containers_equal(struct json a, struct json b, bool is_object)
{
    struct json_iter j = json_iter(b);

    if (json_size(a) != json_size(b))
        return false;
    for (struct json_iter i = json_iter(a); json_next(&i);) {
        json_next(&j);
        if (!json_equal(i.value, is_object ? json_get_str(b, i.key) : j.value))
            return false;
    }
    return true;
}

bool
json_equal(struct json a, struct json b)
{
    enum json_type type = json_type(a);

    if (type != json_type(b))
        return false;
    switch (type) {
    case JSON_BOOL:
        return json_bool(a, false) == json_bool(b, false);
    case JSON_NUMBER:
        return numbers_equal(json_number(a), json_number(b));
    case JSON_STRING:
        return str_eq(json_string(a), json_string(b));
    case JSON_ARRAY:
    case JSON_OBJECT:
        return containers_equal(a, b, type == JSON_OBJECT);
    default:
        return true;
    }
}

bool
json_texts_equal(struct str a, struct str b)
{
    struct json_doc *x, *y;
    bool are_equal;

    if (str_eq(a, b))
        return true;
    x = json_parse(a, NULL, NULL);
    y = json_parse(b, NULL, NULL);
    are_equal = x && y && json_equal(json_root(x), json_root(y));
    json_free(x);
    json_free(y);
    return are_equal;
}
