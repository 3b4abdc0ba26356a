/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_HTTP_H1_CHECK_H
#define SEXTANT_HTTP_H1_CHECK_H

/* What llhttp leaves to its users: is this head one that we understand exactly as everybody behind us will? Pure. */

#include "proxy/http/message.h"

/* The head is parsed into `m`; decides host, target form, framing, keep-alive. FAIL_NONE or why it is refused. */
enum fail h1_check_request(struct message *m);
/* `answers` is the method of the request that this answers. */
enum fail h1_check_response(struct message *m, enum method answers);

#endif
