/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_HTTP_H1_H
#define SEXTANT_HTTP_H1_H

/* HTTP/1.x on the wire (RFC 9112): a pull parser over llhttp (h1_parse.c is its only user, every lenient flag off, and the
 * checks it leaves to its users made here), and a writer that prints a head anew from the table. Pure: bytes in, bytes out. */

#include "proxy/base/buf.h"
#include "proxy/http/message.h"

enum h1_side { H1_REQUESTS, H1_RESPONSES };

struct h1_limits {
    uint32_t head_bytes; /* start line and fields together */
    uint32_t head_fields;
    uint32_t line_bytes; /* start line alone */
};

enum h1_event {
    H1_MORE, /* all input used, feed more */
    H1_HEAD, /* the message's head is complete */
    H1_BODY, /* *ret_body is a slice of the input, chunk framing removed */
    H1_DONE, /* the message is complete; the rest of the input belongs to the next */
    H1_ERROR /* *ret_fail says why; the parser is dead until h1_reset() */
};

struct h1_parser;

struct h1_parser *h1_parser_new(enum h1_side side, const struct h1_limits *limits);
void h1_parser_free(struct h1_parser *p);

/* Get ready for the next message, which will fill `m` (message_init() first). Head bytes are copied into m->arena, so the
 * input may go away after each call. For responses, `answers` is the method of the request (framing depends on it). */
void h1_reset(struct h1_parser *p, struct message *m, enum method answers);

/* Parse until the next event. *ret_used bytes of the input are done with, always. Trailers are parsed, bounded, dropped.
 * Responses: 1xx heads are skipped without an event (101 is an error). Requests are refused as README, "HTTP" says: no or
 * two Hosts (1.1), bad Host, unknown versions, transfer codings other than chunked, CONNECT, control bytes in targets. */
enum h1_event h1_parse(
    struct h1_parser *p, struct str input, size_t *ret_used, struct str *ret_body, enum fail *ret_fail);

/* Tell that the connection ended: H1_DONE for a response that runs until close, H1_MORE if nothing of a message had come,
 * else H1_ERROR. */
enum h1_event h1_parse_eof(struct h1_parser *p, enum fail *ret_fail);
bool h1_has_pending(const struct h1_parser *p); /* h1_parse() has an event to tell even without input */
bool h1_is_idle(const struct h1_parser *p);     /* no byte of a message seen since h1_reset() */

/* Append a head. Request: "METHOD target HTTP/1.1", Host from m->host, then the fields without HOP, FRAME, FORWARD and HINT
 * flags, then framing. Response: status line and fields without HOP and FRAME flags, framing by m->framing, and Connection as
 * m->keep_alive and the client's minor version want. Values with CR, LF or NUL are a bug (assert). */
void h1_write_request(struct buf *out, const struct message *m);
void h1_write_response(struct buf *out, const struct message *m, uint8_t client_minor);
/* Chunked bodies: around each piece of n > 0 bytes, and at the end. */
void h1_write_chunk_head(struct buf *out, size_t n);
#define H1_CHUNK_TAIL STR("\r\n")
#define H1_LAST_CHUNK STR("0\r\n\r\n")

#endif
