/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ADMIN_ACCESS_H
#define SEXTANT_ADMIN_ACCESS_H

/* Who may do what at the admin listener; docs/admin.md, "Who may", is the rule in words. Pure. */

#include "proxy/http/message.h"

enum access {
    ACCESS_OPEN, /* anybody who reaches the listener */
    ACCESS_READ, /* whoever has the token; without one: this machine */
    ACCESS_WRITE /* the same, but not by way of a browser that visits something else */
};

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_NO_TOKEN,    /* 401: none was sent, or not the right one */
    ACCESS_LOCKED,      /* 403: no token is set, and more than this machine reaches the listener */
    ACCESS_BAD_HOST,    /* 403: a name that is not ours, as after DNS rebinding */
    ACCESS_BAD_ORIGIN,  /* 403: another page's script */
    ACCESS_BAD_CONTENT, /* 415: what a form could send */
    ACCESS_VERDICTS
};

struct access_rules {
    struct str token; /* empty: none is set */
    bool is_private;  /* only this machine reaches the listener */
};

enum access_verdict access_decide(enum access access, const struct access_rules *rules, const struct message *request);
/* Status, and a sentence for the one who asked. */
int access_status(enum access_verdict verdict);
const char *access_sentence(enum access_verdict verdict);

#endif
