/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_HTTP_H1_HEAD_H
#define SEXTANT_HTTP_H1_HEAD_H

/* From the bytes of a head, whose syntax llhttp has seen, to a message (RFC 9112 §3, §6; what llhttp leaves to its users).
 * Pure. For h1_parse.c. */

#include "proxy/http/message.h"

struct h1_span {
    uint32_t at, len; /* bytes from the beginning of the head */
};

struct h1_place {
    struct h1_span name, value;
};

/* Where the fields of a head lie. */
struct h1_places {
    struct h1_place *at;   /* lent by the caller of h1_places_lend(), or `kept` */
    struct h1_place *kept; /* NULL, or room for `most` */
    uint32_t n, room, most;
};
enum { H1_PLACES_LENT = 64 }; /* nearly every head has fewer fields */
/* Use `lent`, which is on the stack, until h1_places_keep() or h1_places_forget(): one of them must be called before that. */
void h1_places_lend(struct h1_places *p, struct h1_place *lent);
void h1_places_keep(struct h1_places *p);
void h1_places_forget(struct h1_places *p);

/* False when the piece does not lie beside the others of the span: should a version of llhttp ever leave something out, the
 * message is refused. */
static inline bool
h1_span_extend(struct h1_span *span, uint32_t at, size_t len)
{
    if (span->len == 0)
        span->at = at;
    else if (span->at + span->len != at)
        return false;
    span->len += (uint32_t)len;
    return true;
}

/* A piece of a name: of a new field, for which there is room (n < most), when the last one is complete. */
static inline bool
h1_places_name(struct h1_places *p, uint32_t at, size_t len)
{
    if (p->n == 0 || p->at[p->n - 1].value.at) {
        if (p->n == p->room)
            h1_places_keep(p);
        p->at[p->n++] = (struct h1_place){ { at, (uint32_t)len }, { 0, 0 } };
        return true;
    }
    return h1_span_extend(&p->at[p->n - 1].name, at, len);
}

static inline bool
h1_places_value(struct h1_places *p, uint32_t at, size_t len)
{
    return p->n && h1_span_extend(&p->at[p->n - 1].value, at, len);
}

/* An empty value may come without a span: it gets a place, so that the next name begins a new field. */
static inline void
h1_places_end(struct h1_places *p)
{
    if (p->n && p->at[p->n - 1].value.len == 0)
        p->at[p->n - 1].value.at = p->at[p->n - 1].name.at + 1;
}

/* `early` and `last` together run from the start line to the empty line. They are copied, in one piece, into m->arena, and
 * the message points there. Fills everything in m but the body. Not FAIL_NONE: what is wrong; the message is then good for
 * logging only. For responses, m->method is the method of the request. */
enum fail h1_head_request(
    struct message *m, struct str early, struct str last, const struct h1_place *fields, unsigned n_fields);
enum fail h1_head_response(
    struct message *m, struct str early, struct str last, const struct h1_place *fields, unsigned n_fields);

/* uri-host [":" port] (RFC 3986 §3.2): not empty, no user, no path. */
bool h1_is_host(struct str host);

#endif
