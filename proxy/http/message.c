/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/message.h"

#include "proxy/base/mem.h"

enum {
    FIRST_FIELDS = 16,
    HOP = FIELD_FLAG_HOP,
    FRAME = FIELD_FLAG_FRAME,
    FORWARD = FIELD_FLAG_FORWARD,
    HINT = FIELD_FLAG_HINT
};

static const struct known {
    struct str name;
    uint16_t flags;
} known[FIELD_COUNT] = {
#define FIELD(id, name, flags) [FIELD_##id] = { { name, sizeof(name) - 1 }, flags },
#include "proxy/http/field.def"
#undef FIELD
};

static const struct str method_names[] = {
    [METHOD_OTHER] = { "?", 1 },
    [METHOD_GET] = { "GET", 3 },
    [METHOD_POST] = { "POST", 4 },
    [METHOD_PUT] = { "PUT", 3 },
    [METHOD_PATCH] = { "PATCH", 5 },
    [METHOD_DELETE] = { "DELETE", 6 },
    [METHOD_HEAD] = { "HEAD", 4 },
    [METHOD_OPTIONS] = { "OPTIONS", 7 },
};

void
message_init(struct message *m, struct arena *arena)
{
    *m = (struct message){ .arena = arena, .minor = 1, .keep_alive = true };
}

enum field_id
field_lookup(struct str name, uint16_t *ret_flags)
{
    for (unsigned i = FIELD_OTHER + 1; i < FIELD_COUNT; i++) {
        if (known[i].name.len == name.len && known[i].name.p[0] == name.p[0] && str_eq(known[i].name, name)) {
            *ret_flags = known[i].flags;
            return (enum field_id)i;
        }
    }
    /* Hints that a later version may know are no business of a cluster either. */
    *ret_flags = str_starts(name, STR("x-sextant-")) ? HINT : 0;
    return FIELD_OTHER;
}

struct str
field_name(enum field_id id)
{
    return known[id].name;
}

static struct field *
add_field(struct message *m)
{
    if (m->n_fields == m->cap_fields) {
        unsigned cap = m->cap_fields ? m->cap_fields * 2 : FIRST_FIELDS;
        struct field *grown = ARENA_ARRAY(m->arena, cap, struct field);

        if (m->n_fields)
            memcpy(grown, m->fields, m->n_fields * sizeof(*grown));
        m->fields = grown;
        m->cap_fields = cap;
    }
    return &m->fields[m->n_fields++];
}

void
message_add(struct message *m, struct str name, struct str value)
{
    struct field *f = add_field(m);

    f->id = (uint16_t)field_lookup(name, &f->flags);
    f->name = name;
    f->value = value;
}

void
message_add_id(struct message *m, enum field_id id, struct str value)
{
    *add_field(
        m) = (struct field){ .id = (uint16_t)id, .flags = known[id].flags, .name = known[id].name, .value = value };
}

const struct field *
message_find(const struct message *m, enum field_id id)
{
    for (unsigned i = 0; i < m->n_fields; i++) {
        if (m->fields[i].id == id)
            return &m->fields[i];
    }
    return NULL;
}

struct str
message_value(const struct message *m, enum field_id id)
{
    const struct field *f = message_find(m, id);

    return f ? f->value : STR_NONE;
}

const struct field *
message_find_name(const struct message *m, struct str name)
{
    for (unsigned i = 0; i < m->n_fields; i++) {
        if (str_eq(m->fields[i].name, name))
            return &m->fields[i];
    }
    return NULL;
}

unsigned
message_count(const struct message *m, enum field_id id)
{
    unsigned n = 0;

    for (unsigned i = 0; i < m->n_fields; i++)
        n += m->fields[i].id == id;
    return n;
}

static bool
list_has(struct str list, struct str token)
{
    while (list.len) {
        struct str item;

        str_cut(list, ',', &item, &list);
        if (str_eq_nocase(str_trim(item), token))
            return true;
    }
    return false;
}

bool
message_has_token(const struct message *m, enum field_id id, struct str token)
{
    for (unsigned i = 0; i < m->n_fields; i++) {
        if (m->fields[i].id == id && list_has(m->fields[i].value, token))
            return true;
    }
    return false;
}

/* Fields that decide what a message means or who may send it: naming one in Connection would hide it from the cluster while
 * it was believed here, or the other way round. */
static bool
is_protected(const struct field *f)
{
    static const struct str names[] = { { "api-key", 7 }, { "authorization", 13 }, { "content-type", 12 },
        { "content-encoding", 16 }, { "accept-encoding", 15 }, { "origin", 6 }, { "cache-control", 13 } };

    if (f->flags & (FRAME | FORWARD | HINT) || str_ends(f->name, STR("-api-key")))
        return true;
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq(f->name, names[i]))
            return true;
    }
    return false;
}

void
message_mark_hops(struct message *m)
{
    if (!message_find(m, FIELD_CONNECTION))
        return;
    for (unsigned i = 0; i < m->n_fields; i++) {
        struct field *f = &m->fields[i];

        if (!is_protected(f) && message_has_token(m, FIELD_CONNECTION, f->name))
            f->flags |= HOP;
    }
}

enum method
method_parse(struct str text)
{
    for (int i = METHOD_GET; i <= METHOD_OPTIONS; i++) {
        if (str_eq(method_names[i], text))
            return (enum method)i;
    }
    return METHOD_OTHER;
}

struct str
method_name(enum method method)
{
    return method_names[method];
}

struct str
status_reason(int status)
{
    static const struct {
        int status;
        struct str reason;
    } reasons[] = { { 200, { "OK", 2 } }, { 201, { "Created", 7 } }, { 202, { "Accepted", 8 } },
        { 204, { "No Content", 10 } }, { 304, { "Not Modified", 12 } }, { 400, { "Bad Request", 11 } },
        { 401, { "Unauthorized", 12 } }, { 403, { "Forbidden", 9 } }, { 404, { "Not Found", 9 } },
        { 408, { "Request Timeout", 15 } }, { 409, { "Conflict", 8 } }, { 413, { "Content Too Large", 17 } },
        { 422, { "Unprocessable Content", 21 } }, { 429, { "Too Many Requests", 17 } },
        { 431, { "Request Header Fields Too Large", 31 } }, { 500, { "Internal Server Error", 21 } },
        { 501, { "Not Implemented", 15 } }, { 502, { "Bad Gateway", 11 } }, { 503, { "Service Unavailable", 19 } },
        { 504, { "Gateway Timeout", 15 } }, { 505, { "HTTP Version Not Supported", 26 } } };

    for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return STR("Unknown");
}
