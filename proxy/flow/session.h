/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_SESSION_H
#define SEXTANT_FLOW_SESSION_H

/* One client connection speaking HTTP/1.x: reads requests, one after another, hands each to a transaction, writes its
 * answer. Owns the stream. Frees itself when the connection ends. */

#include "proxy/flow/edge.h"

/* How a connection begins: with a PROXY protocol header, then with TLS. */
enum session_door { DOOR_PLAIN = 0, DOOR_PROXY = 1, DOOR_TLS = 2 };
/* Takes over the stream, or turns it away and returns NULL when there are far too many. `door`: flags of session_door. */
struct session *session_new(struct edge *edge, struct stream *stream, unsigned door);
void session_free(struct session *s); /* cuts whatever is under way */
struct session *session_next(const struct session *s);
/* Close an idle one, unless a request has come meanwhile: unread, it would be reset. A connection that has not had its first
 * request yet gets a second for it. */
bool session_leave_idle(struct session *s);             /* true: closed */
int64_t session_idle_since_us(const struct session *s); /* of one in the edge's idle queue */
bool session_is_idle(const struct session *s);          /* between requests, nothing left to write */

#endif
