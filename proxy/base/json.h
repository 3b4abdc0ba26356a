/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_JSON_H
#define SEXTANT_BASE_JSON_H

/* Reading JSON through yyjson (json.c is its only user), numbers kept as the text they had; and a writer that appends to
 * a buffer without building a tree, cheap enough for a log line per request. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/buf.h"
#include "proxy/base/put.h"

enum json_type { JSON_NONE, JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_doc; /* a parsed text; everything got from it lives as long as it does */
struct json {
    const void *val;
}; /* a value of a document; {NULL} is "absent" and safe to pass everywhere */

/* The whole text must be one JSON value. NULL on error, with a reason and byte offset in *ret_error (static text) and
 * *ret_offset; both may be NULL. Nesting deeper than 512 is an error. The text is copied. */
struct json_doc *json_parse(struct str text, const char **ret_error, size_t *ret_offset);
void json_free(struct json_doc *doc);
struct json json_root(const struct json_doc *doc);

enum json_type json_type(struct json v);
struct json json_get(struct json object, const char *key); /* first of that name; absent if none or not an object */
struct json json_get_str(struct json object, struct str key);
struct str json_string(struct json v); /* STR_NONE unless a string */
struct str json_number(struct json v); /* its text; STR_NONE unless a number */
bool json_bool(struct json v, bool otherwise);
size_t json_size(struct json v); /* members or elements, else 0 */

/* for (struct json_iter i = json_iter(v); json_next(&i);) uses i.key (objects) and i.value */
struct json_iter {
    struct json parent, value;
    struct str key;
    size_t index;
    const void *at;
};
struct json_iter json_iter(struct json v);
bool json_next(struct json_iter *i);

/* Has any object, at any depth, the same key twice? The first such key in *ret_key. */
bool json_has_duplicate_key(struct json v, struct str *ret_key);
/* Same type, members (in any order), elements (in order), and spelling-independent numbers. */
bool json_equal(struct json a, struct json b);
bool json_texts_equal(struct str a, struct str b); /* both are JSON, and equal so; or the same bytes */

/* The writer: keys and values in order; commas and escapes are its work. Depth up to 63. Invalid UTF-8 becomes U+FFFD. */
struct json_writer {
    struct buf *out;
    uint64_t has_member; /* one bit a depth */
    unsigned depth;
    bool after_key;
};
struct json_writer json_writer(struct buf *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);    /* a name of ours, written as it is */
void json_key_str(struct json_writer *w, struct str key); /* any text */
void json_put_str(struct json_writer *w, struct str value);
void json_put_text(struct json_writer *w, const char *value); /* NULL gives null */
void json_put_u64(struct json_writer *w, uint64_t value);
void json_put_double(struct json_writer *w, double value, int decimals); /* not finite gives null */
void json_put_bool(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);
void json_put_time(struct json_writer *w, int64_t wall_us); /* "2026-02-28T23:59:59.123Z" */
void json_put_raw(struct json_writer *w, struct str json);  /* a complete JSON value, unchecked */
void json_put_value(struct json_writer *w, struct json v);  /* numbers keep their spelling */

/* A key and its value. */
void json_member_str(struct json_writer *w, const char *key, struct str value);
void json_member_u64(struct json_writer *w, const char *key, uint64_t value);
void json_member_double(struct json_writer *w, const char *key, double value, int decimals);
void json_member_bool(struct json_writer *w, const char *key, bool value);

/* Without a writer's care for commas: `start` is all that stands between the value before and this one, as ,"key":" or ,"key":
 * They are put together here because the compiler then knows how long `start` is. */
void json_next_time(struct buf *out, struct str start, int64_t wall_us);
void json_end_str(struct buf *out, char *at, struct str value); /* at: reserved room for the value and a quote */

static inline void
json_next_str(struct buf *out, struct str start, struct str value)
{
    char *at = buf_reserve(out, start.len + value.len + 1);

    memcpy(at, start.p, start.len);
    json_end_str(out, at + start.len, value);
}

static inline void
json_next_u64(struct buf *out, struct str start, uint64_t value)
{
    char *at = buf_reserve(out, start.len + STR_U64_MAX);

    memcpy(at, start.p, start.len);
    buf_end_at(out, put_u64(at + start.len, value));
}

#endif
