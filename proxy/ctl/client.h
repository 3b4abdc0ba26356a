/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CTL_CLIENT_H
#define SEXTANT_CTL_CLIENT_H

/* One request to an admin listener, and its answer. Blocking, with a deadline; an answer is read whole, within a limit. */

#include "proxy/base/addr.h"
#include "proxy/base/buf.h"

/* Where it listens, and what it is to be called. */
struct client_place {
    struct addr addr;
    uint16_t port;
    struct str host; /* for Host */
};

struct client_request {
    const char *method;
    struct str target;
    struct str token; /* empty: none is sent */
    struct str body;  /* JSON; sent with POST */
    int64_t timeout_us;
};

struct client_answer {
    int status;
    bool is_json;
    struct buf body; /* the caller's to release, also when there was no answer */
};

/* 0, or -errno: -ETIMEDOUT, -EPROTO for what is no valid answer, -EFBIG for one that is too long. */
int client_ask(
    const struct client_place *place, const struct client_request *request, struct client_answer *ret_answer);

#endif
