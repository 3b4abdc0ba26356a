/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_HTTP_MESSAGE_H
#define SEXTANT_HTTP_MESSAGE_H

/* The head of one HTTP message as a table: what the parser fills and the writer prints. Bodies never stand here. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/arena.h"
#include "proxy/base/fail.h"
#include "proxy/base/str.h"

/* The methods that Qdrant's API has, and HEAD and OPTIONS, which it answers; all others are METHOD_OTHER. */
enum method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_HEAD,
    METHOD_OPTIONS
};

enum field_id {
    FIELD_OTHER,
#define FIELD(id, name, flags) FIELD_##id,
#include "proxy/http/field.def"
#undef FIELD
    FIELD_COUNT
};

enum field_flags {
    FIELD_FLAG_HOP = 1,
    FIELD_FLAG_FRAME = 2,
    FIELD_FLAG_FORWARD = 4,
    FIELD_FLAG_HINT = 8,
    FIELD_FLAG_KEEP = 16
};

struct field {
    uint16_t id;
    uint16_t flags;
    struct str name;  /* lower case */
    struct str value; /* without blanks around it */
};

enum framing {
    FRAMING_NONE,   /* no body */
    FRAMING_LENGTH, /* content_length bytes (0 too, if it was said); in an answer to HEAD: that GET would have had */
    FRAMING_CHUNKED,
    FRAMING_UNTIL_CLOSE /* responses only */
};

struct message {
    struct arena *arena; /* owns everything below; set by message_init() */
    enum method method;  /* of the request; in a response: of the request it answers */
    struct str method_text;
    struct str target; /* origin-form, "/path?query", or "*"; an absolute-form's authority went to `host` */
    struct str host;   /* Host, or what replaced it; may be empty on HTTP/1.0 */
    int status;        /* responses */
    struct str reason;
    uint8_t minor;   /* HTTP/1.minor */
    bool keep_alive; /* what the message asks for, by version and Connection */
    bool expect_continue;
    enum framing framing;
    uint64_t content_length;
    struct field *fields;
    unsigned n_fields, cap_fields;
    uint64_t had; /* a bit for each id that a field was added with: see message_has() */
};

void message_init(struct message *m, struct arena *arena);
void message_add(
    struct message *m, struct str name, struct str value);        /* slices are kept, not copied; name in lower case */
void message_add_field(struct message *m, const struct field *f); /* of another message, as it stands there */
void message_add_id(struct message *m, enum field_id id, struct str value);
/* The same for a field that this proxy says itself (its own X-Forwarded-For, Keep-Alive, …): it has no flags, so the writer
 * prints it where it drops the one that came in. Not for FRAME fields (assert): those follow from `host` and `framing`. */
void message_add_own(struct message *m, enum field_id id, struct str value);
/* Was one added? (Looks at no field, so that one which was taken out again counts too.) */
static inline bool
message_has(const struct message *m, enum field_id id)
{
    return m->had >> id & 1;
}

const struct field *message_find(const struct message *m, enum field_id id); /* first, or NULL */

/* Of the first, or STR_NONE. */
static inline struct str
message_value(const struct message *m, enum field_id id)
{
    const struct field *f = message_has(m, id) ? message_find(m, id) : NULL;

    return f ? f->value : STR_NONE;
}

const struct field *message_find_name(const struct message *m, struct str name); /* lower-case name */
unsigned message_count(const struct message *m, enum field_id id);
/* Is `token` in the comma-separated lists of all fields of this id (no case)? */
bool message_has_token(const struct message *m, enum field_id id, struct str token);
/* Marks fields named in Connection as hop-by-hop (Connection cannot name Host, Content-Length, Content-Type, api-key,
 * authorization or another field that decides meaning: those stay). False, and the message should be refused, when
 * Connection lists more than 32 names. The parser has called it before it says H1_HEAD. */
bool message_mark_hops(struct message *m);

enum method method_parse(struct str text);
struct str method_name(enum method method);
enum field_id field_lookup(struct str lower_case_name, uint16_t *ret_flags);
struct str field_name(enum field_id id);
struct str status_reason(int status);

#endif
