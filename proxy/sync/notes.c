/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/notes.h"

#include <stdio.h>
#include <string.h>

#include "proxy/base/json.h"

enum { ID_IDENTITY = 1, ID_CLAIM = 2, OLDEST_MINOR = 17 };

/* --- UUIDs ------------------------------------------------------------------------------------------------------- */

void
notes_make_uuid(struct random *r, notes_uuid ret_uuid)
{
    uint64_t hi = random_next(r), lo = random_next(r);

    hi = (hi & ~UINT64_C(0xf000)) | UINT64_C(0x4000); /* version 4, variant 1 */
    lo = lo >> 2 | UINT64_C(1) << 63;
    snprintf(ret_uuid, NOTES_UUID_LEN + 1, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(hi >> 32),
        (unsigned)(hi >> 16) & 0xffff, (unsigned)hi & 0xffff, (unsigned)(lo >> 48),
        (unsigned long long)(lo & UINT64_C(0xffffffffffff)));
}

static bool
is_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!strchr("0123456789abcdef", text.p[i]) || text.p[i] == '\0')
            return false;
    }
    return true;
}

bool
notes_is_uuid(struct str text)
{
    static const struct {
        unsigned at, len;
    } parts[] = { { 0, 8 }, { 9, 4 }, { 14, 4 }, { 19, 4 }, { 24, 12 } };

    if (text.len != NOTES_UUID_LEN)
        return false;
    for (unsigned i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (!is_hex(str_make(text.p + parts[i].at, parts[i].len)) || (i && text.p[parts[i].at - 1] != '-'))
            return false;
    }
    return true;
}

/* --- requests ---------------------------------------------------------------------------------------------------- */

void
notes_put_question(const char *home, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "ids");
    json_begin_array(&w);
    json_put_u64(&w, ID_IDENTITY);
    json_put_u64(&w, ID_CLAIM);
    if (home)
        json_put_text(&w, home);
    json_end_array(&w);
    json_member_bool(&w, "with_payload", true);
    json_end_object(&w);
}

void
notes_put_collection(struct buf *out)
{
    /* Strict mode of the server could forbid conditions on what has no index. */
    buf_add(out, STR("{\"vectors\":{},\"shard_number\":1,\"strict_mode_config\":{\"enabled\":false}}"));
}

/* {"points":[{"id":ID,"vector":{},"payload":{ … up to where the payload's members go. */
static struct json_writer
begin_point(struct buf *out, const char *uuid, uint64_t number)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "points");
    json_begin_array(&w);
    json_begin_object(&w);
    json_key(&w, "id");
    if (uuid)
        json_put_text(&w, uuid);
    else
        json_put_u64(&w, number);
    json_key(&w, "vector");
    json_begin_object(&w);
    json_end_object(&w);
    json_key(&w, "payload");
    json_begin_object(&w);
    return w;
}

static void
end_point(struct json_writer *w)
{
    json_end_object(w);
    json_end_object(w);
    json_end_array(w);
}

void
notes_put_identity(const char *identity, struct buf *out)
{
    struct json_writer w = begin_point(out, NULL, ID_IDENTITY);

    json_member_str(&w, "identity", str_from(identity));
    end_point(&w);
    json_member_str(&w, "update_mode", STR("insert_only"));
    json_end_object(&w);
}

static void
put_match(struct json_writer *w, const char *key, const char *text, uint64_t number)
{
    json_begin_object(w);
    json_member_str(w, "key", str_from(key));
    json_key(w, "match");
    json_begin_object(w);
    json_key(w, "value");
    if (text)
        json_put_text(w, text);
    else
        json_put_u64(w, number);
    json_end_object(w);
    json_end_object(w);
}

static void
put_condition(struct json_writer *w, const struct claim_note *seen)
{
    json_member_str(w, "update_mode", STR("update_only"));
    json_key(w, "update_filter");
    json_begin_object(w);
    json_key(w, "must");
    json_begin_array(w);
    put_match(w, "journal", seen->journal, 0);
    put_match(w, "start", seen->start, 0);
    put_match(w, "counter", NULL, seen->counter);
    json_end_array(w);
    json_end_object(w);
}

void
notes_put_claim(const struct claim_note *claim, const struct claim_note *seen, struct buf *out)
{
    struct json_writer w = begin_point(out, NULL, ID_CLAIM);

    json_member_str(&w, "journal", str_from(claim->journal));
    json_member_str(&w, "start", str_from(claim->start));
    json_member_u64(&w, "starts", claim->starts);
    json_member_u64(&w, "lsn", claim->lsn);
    json_member_u64(&w, "counter", claim->counter);
    json_member_bool(&w, "released", claim->is_released);
    if (claim->is_free)
        json_member_bool(&w, "free", true);
    end_point(&w);
    if (seen)
        put_condition(&w, seen);
    else
        json_member_str(&w, "update_mode", STR("insert_only"));
    json_end_object(&w);
}

void
notes_put_copy(const char *home, const struct copy_note *note, struct buf *out)
{
    struct json_writer w = begin_point(out, home, 0);

    json_member_str(&w, "journal", str_from(note->journal));
    json_member_u64(&w, "position", note->position);
    end_point(&w);
    json_end_object(&w);
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static bool
read_uuid(struct json v, notes_uuid ret_uuid)
{
    struct str text = json_string(v);

    if (!notes_is_uuid(text))
        return false;
    memcpy(ret_uuid, text.p, NOTES_UUID_LEN);
    ret_uuid[NOTES_UUID_LEN] = '\0';
    return true;
}

static bool
read_number(struct json v, uint64_t *ret_number)
{
    uint64_t n;

    if (!str_to_u64(json_number(v), &n) || n > NOTES_NUMBER_MAX)
        return false;
    *ret_number = n;
    return true;
}

static bool
read_claim(struct json payload, struct claim_note *ret_claim)
{
    struct str start = json_string(json_get(payload, "start"));
    struct json released = json_get(payload, "released");

    if (start.len != NOTES_START_LEN || !is_hex(start) || json_type(released) != JSON_BOOL)
        return false;
    memcpy(ret_claim->start, start.p, start.len);
    ret_claim->is_released = json_bool(released, false);
    ret_claim->is_free = ret_claim->is_released && json_bool(json_get(payload, "free"), false);
    return read_uuid(json_get(payload, "journal"), ret_claim->journal) &&
           read_number(json_get(payload, "starts"), &ret_claim->starts) &&
           read_number(json_get(payload, "lsn"), &ret_claim->lsn) &&
           read_number(json_get(payload, "counter"), &ret_claim->counter);
}

static bool
read_point(struct json point, const char *home, struct notes *n)
{
    struct json id = json_get(point, "id"), payload = json_get(point, "payload");
    uint64_t number;

    if (str_to_u64(json_number(id), &number)) {
        if (number == ID_IDENTITY)
            return !n->identity[0] && read_uuid(json_get(payload, "identity"), n->identity);
        if (number != ID_CLAIM || n->has_claim)
            return false;
        n->has_claim = true;
        return read_claim(payload, &n->claim);
    }
    if (!home || n->has_copy || !str_eq(json_string(id), str_from(home)))
        return false;
    n->has_copy = true;
    return read_uuid(json_get(payload, "journal"), n->copy.journal) &&
           read_number(json_get(payload, "position"), &n->copy.position);
}

/* Of Qdrant, not of something in front of it. */
static bool
is_absent(int status, struct json root)
{
    struct str error = json_string(json_get(json_get(root, "status"), "error"));

    return status == 404 && error.len && memmem(error.p, error.len, "`_sextant` doesn't exist", 24);
}

bool
notes_read(int status, struct str body, const char *home, struct notes *ret_notes)
{
    struct notes n = { .has_collection = status == 200 };
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct json list = json_get(json_root(doc), "result");
    bool is_good = doc && (status == 200 ? json_type(list) == JSON_ARRAY : is_absent(status, json_root(doc)));

    for (struct json_iter i = json_iter(list); is_good && status == 200 && json_next(&i);)
        is_good = read_point(i.value, home, &n);
    json_free(doc);
    if (is_good)
        *ret_notes = n;
    return is_good;
}

bool
notes_read_version(struct str body, char ret_version[32])
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct str version = json_string(json_get(json_root(doc), "version")), major, minor, rest;
    uint64_t x = 0, y = 0;
    bool is_version = str_cut(version, '.', &major, &rest) && str_to_u64(major, &x);

    str_cut(rest, '.', &minor, &rest);
    is_version = is_version && str_to_u64(minor, &y);
    snprintf(ret_version, 32, "%.*s", STR_ARG(version));
    json_free(doc);
    return is_version && (x > 1 || (x == 1 && y >= OLDEST_MINOR));
}
