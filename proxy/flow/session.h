/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_SESSION_H
#define SEXTANT_FLOW_SESSION_H

/* One client connection speaking HTTP/1.x: reads requests, one after another, hands each to a transaction, writes its
 * answer. Owns the stream. Frees itself when the connection ends. */

#include "proxy/flow/edge.h"

/* Takes over the stream. Requires a PROXY protocol header first if asked to. */
struct session *session_new(struct edge *edge, struct stream *stream, bool proxy_protocol);
void session_free(struct session *s); /* cuts whatever is under way */
struct session *session_next(const struct session *s);
bool session_is_idle(const struct session *s); /* between requests, nothing left to write */
/* Close an idle one, unless a request has come meanwhile: unread, it would be reset. A connection that has not had its first
 * request yet gets a second for it. */
void session_leave_idle(struct session *s);

#endif
