/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a message's fields, and the names that are known. Invariants:
 *   1. every field's name is in lower case, and its id is what field_lookup() says of the name;
 *   2. m->fields has m->cap_fields places, in the arena; growing leaves the old array there until the arena is reset;
 *   3. order is kept: fields are printed as they came, and those added later come last.
 */
#include "proxy/http/message.h"

#include <assert.h>
#include <stddef.h>

enum {
    FIRST_FIELDS = 16,
    MAX_CONNECTION_NAMES = 32, /* each is compared with each field: a head full of names would cost milliseconds */
    SLOTS = 128                /* of the hash table of known names; a power of two, at most half full */
};

static const struct {
    struct str name;
    uint16_t flags;
} known[FIELD_COUNT] = {
#define HOP FIELD_FLAG_HOP
#define FRAME FIELD_FLAG_FRAME
#define FORWARD FIELD_FLAG_FORWARD
#define HINT FIELD_FLAG_HINT
#define KEEP FIELD_FLAG_KEEP
#define FIELD(id, text, flag) [FIELD_##id] = { { text, sizeof(text) - 1 }, flag },
#include "proxy/http/field.def"
#undef FIELD
#undef HOP
#undef FRAME
#undef FORWARD
#undef HINT
#undef KEEP
};

_Static_assert(FIELD_COUNT * 2 <= SLOTS, "the hash table of field names is more than half full");
_Static_assert(FIELD_COUNT <= 64, "there is a bit for each id");

static uint8_t slots[SLOTS]; /* ids; 0 is free */

/* With these factors no two of the known names meet, so that each is found, or missed, at the first look. A name that is added
 * may need others; it is found all the same. */
static unsigned
slot_of(struct str name)
{
    size_t first = (unsigned char)name.p[0], last = (unsigned char)name.p[name.len - 1];

    return (unsigned)(name.len * 23 + first * 5 + last * 57) % SLOTS;
}

/* Filled before main(), so that look-ups need neither a lock nor a call to some init function. */
__attribute__((constructor)) static void
fill_slots(void)
{
    for (unsigned id = 1; id < FIELD_COUNT; id++) {
        unsigned at = slot_of(known[id].name);

        while (slots[at])
            at = (at + 1) % SLOTS;
        slots[at] = (uint8_t)id;
    }
}

static inline bool
is_same_word(const char *a, const char *b)
{
    uint64_t words[2];

    memcpy(&words[0], a, sizeof(words[0]));
    memcpy(&words[1], b, sizeof(words[1]));
    return words[0] == words[1];
}

/* Without a call, as names are short. */
static inline bool
is_same(const char *a, const char *b, size_t len)
{
    size_t i = 0;

    for (; i + 8 <= len; i += 8) {
        if (!is_same_word(a + i, b + i))
            return false;
    }
    if (i && i < len)
        return is_same_word(a + len - 8, b + len - 8);
    for (; i < len; i++) {
        if (a[i] != b[i])
            return false;
    }
    return true;
}

static inline unsigned
lookup(struct str name)
{
    if (name.len == 0)
        return FIELD_OTHER;
    for (unsigned at = slot_of(name); slots[at]; at = (at + 1) % SLOTS) {
        unsigned id = slots[at];

        if (known[id].name.len == name.len && is_same(known[id].name.p, name.p, name.len))
            return id;
    }
    return FIELD_OTHER;
}

enum field_id
field_lookup(struct str lower_case_name, uint16_t *ret_flags)
{
    unsigned id = lookup(lower_case_name);

    *ret_flags = known[id].flags;
    return (enum field_id)id;
}

struct str
field_name(enum field_id id)
{
    assert(id > FIELD_OTHER && id < FIELD_COUNT);
    return known[id].name;
}

void
message_init(struct message *m, struct arena *arena)
{
    *m = (struct message){ .arena = arena };
}

static void
grow(struct message *m)
{
    unsigned cap = m->cap_fields ? m->cap_fields * 2 : FIRST_FIELDS;
    struct field *fresh = ARENA_ARRAY(m->arena, cap, struct field);

    if (m->n_fields)
        memcpy(fresh, m->fields, m->n_fields * sizeof(*fresh));
    m->fields = fresh;
    m->cap_fields = cap;
}

static inline void
add(struct message *m, unsigned id, uint16_t flags, struct str name, struct str value)
{
    struct field *f;

    if (m->n_fields == m->cap_fields)
        grow(m);
    f = &m->fields[m->n_fields++];
    f->id = (uint16_t)id;
    f->flags = flags;
    f->name = name;
    f->value = value;
    m->had |= UINT64_C(1) << id;
}

void
message_add(struct message *m, struct str name, struct str value)
{
    unsigned id = lookup(name);

    add(m, id, known[id].flags, name, value);
}

void
message_add_field(struct message *m, const struct field *f)
{
    add(m, f->id, f->flags, f->name, f->value);
}

void
message_add_id(struct message *m, enum field_id id, struct str value)
{
    add(m, id, known[id].flags, known[id].name, value);
}

void
message_add_own(struct message *m, enum field_id id, struct str value)
{
    assert(!(known[id].flags & FIELD_FLAG_FRAME));
    add(m, id, 0, known[id].name, value);
}

const struct field *
message_find(const struct message *m, enum field_id id)
{
    for (unsigned i = 0; message_has(m, id) && i < m->n_fields; i++) {
        if (m->fields[i].id == id)
            return &m->fields[i];
    }
    return NULL;
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

    for (unsigned i = 0; message_has(m, id) && i < m->n_fields; i++)
        n += m->fields[i].id == id;
    return n;
}

/* The next non-empty member of a comma-separated list; false at its end. */
static bool
next_token(struct str *list, struct str *ret_token)
{
    while (list->len) {
        str_cut(*list, ',', ret_token, list);
        *ret_token = str_trim(*ret_token);
        if (ret_token->len)
            return true;
    }
    return false;
}

static bool
list_has(struct str list, struct str wanted)
{
    struct str token;

    while (next_token(&list, &token)) {
        if (str_eq_nocase(token, wanted))
            return true;
    }
    return false;
}

bool
message_has_token(const struct message *m, enum field_id id, struct str token)
{
    for (unsigned i = 0; message_has(m, id) && i < m->n_fields; i++) {
        if (m->fields[i].id == id && list_has(m->fields[i].value, token))
            return true;
    }
    return false;
}

static bool
is_protected(const struct field *f)
{
    enum { DECIDES = FIELD_FLAG_FRAME | FIELD_FLAG_FORWARD | FIELD_FLAG_HINT | FIELD_FLAG_KEEP };

    return (f->flags & DECIDES) || str_ends(f->name, STR("-api-key"));
}

static void
mark_named(struct message *m, struct str name)
{
    for (unsigned i = 0; i < m->n_fields; i++) {
        struct field *f = &m->fields[i];

        if (f->name.len == name.len && str_eq_nocase(f->name, name) && !is_protected(f))
            f->flags |= FIELD_FLAG_HOP;
    }
}

bool
message_mark_hops(struct message *m)
{
    unsigned names = 0;

    for (unsigned i = 0; message_has(m, FIELD_CONNECTION) && i < m->n_fields; i++) {
        struct str list = m->fields[i].value, token;

        while (m->fields[i].id == FIELD_CONNECTION && next_token(&list, &token)) {
            if (++names > MAX_CONNECTION_NAMES)
                return false;
            mark_named(m, token);
        }
    }
    return true;
}

static const struct str method_names[] = {
    [METHOD_OTHER] = { "", 0 },
    [METHOD_GET] = { "GET", 3 },
    [METHOD_POST] = { "POST", 4 },
    [METHOD_PUT] = { "PUT", 3 },
    [METHOD_PATCH] = { "PATCH", 5 },
    [METHOD_DELETE] = { "DELETE", 6 },
    [METHOD_HEAD] = { "HEAD", 4 },
    [METHOD_OPTIONS] = { "OPTIONS", 7 },
};

enum method
method_parse(struct str text)
{
    for (unsigned i = METHOD_GET; i <= METHOD_OPTIONS; i++) {
        if (str_eq(method_names[i], text))
            return (enum method)i;
    }
    return METHOD_OTHER;
}

struct str
method_name(enum method method)
{
    assert(method <= METHOD_OPTIONS);
    return method_names[method];
}

struct str
status_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        { 200, "OK" },
        { 100, "Continue" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 416, "Range Not Satisfiable" },
        { 422, "Unprocessable Entity" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 499, "Client Closed Request" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status)
            return str_from(reasons[i].reason);
    }
    return STR("Unknown");
}
