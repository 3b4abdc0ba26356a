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
