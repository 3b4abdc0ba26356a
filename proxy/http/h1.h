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

/* Parse until the next event. *ret_used bytes of the input are done with, always (after H1_ERROR too, where the rest means
 * nothing). Call again, with an empty input too, until H1_MORE or H1_DONE: H1_DONE may follow without further bytes. What the
 * other side is told does not depend on how the bytes were cut. Trailers are parsed, bounded, dropped.
 * Requests are refused as README, "HTTP" says: no or two Hosts (1.1), bad Host, unknown versions and methods, CONNECT,
 * transfer codings other than chunked, a length stated twice, control bytes in targets. Upgrade is ignored. A few empty lines
 * before a request are skipped. If the head was complete when it was refused, `m` is filled, good for logging.
 * Responses: up to eight 1xx heads are skipped without an event (101 is an error), all failures are FAIL_UPSTREAM_PROTOCOL.
 * 204 and 304 are FRAMING_NONE; answers to HEAD keep FRAMING_LENGTH as information, and H1_DONE follows at once. Bytes after
 * the message are left in the input: a connection that has some must not be used again. */
enum h1_event h1_parse(
    struct h1_parser *p, struct str input, size_t *ret_used, struct str *ret_body, enum fail *ret_fail);

/* Tell that the connection ended: H1_DONE for a response that runs until close, H1_MORE if nothing of a message had come,
 * else H1_ERROR (FAIL_UPSTREAM_CUT, FAIL_CLIENT_GONE). */
enum h1_event h1_parse_eof(struct h1_parser *p, enum fail *ret_fail);
bool h1_has_pending(const struct h1_parser *p); /* h1_parse() may have an event to tell even without input */
bool h1_is_idle(const struct h1_parser *p);     /* no byte of a message seen since h1_reset() */

/* Append a head. Names are in lower case, fields in their order. CR, LF or NUL in what is printed is a bug (assert).
 * Request: "METHOD target HTTP/1.1", Host from m->host, then the fields without HOP, FRAME, FORWARD and HINT flags, then
 * framing (nothing for FRAMING_NONE; FRAMING_UNTIL_CLOSE is a bug).
 * Response: status line in the client's version (an unset reason is looked up), the fields without HOP and FRAME flags, but
 * Keep-Alive (the caller's own; the one that came in must not be in the table), framing, and Connection where m->keep_alive,
 * which the caller sets for *this* connection, differs from what the version says. FRAMING_NONE prints "content-length: 0"
 * where it is needed: not for 1xx, 204, 304 and HEAD (m->method). FRAMING_CHUNKED to an HTTP/1.0 client is a bug (assert):
 * use FRAMING_UNTIL_CLOSE. */
void h1_write_request(struct buf *out, const struct message *m);
void h1_write_response(struct buf *out, const struct message *m, uint8_t client_minor);
/* Chunked bodies: around each piece of n > 0 bytes, and H1_LAST_CHUNK at the end. */
void h1_write_chunk_head(struct buf *out, size_t n);
#define H1_CHUNK_TAIL STR("\r\n")
#define H1_LAST_CHUNK STR("0\r\n\r\n")

#endif
