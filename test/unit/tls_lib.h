/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_TLS_LIB_H
#define SEXTANT_TEST_UNIT_TLS_LIB_H

/* Both sides of TLS with a certificate made on the spot, for edge.test and 127.0.0.1. */

#include "proxy/net/stream_tls.h"

struct tls_fixture {
    char dir[64], cert[96], key[96];
    struct tls_count count;
    struct tls_work *work;
    struct conf *conf;
    struct arena arena;
    struct conf_issues issues;
    struct tls_server *server;
    struct tls_client *client;
    struct tls_memory *memory;
};

struct tls_fixture *tls_fixture_new(struct loop *loop);
void tls_fixture_free(struct tls_fixture *f); /* streams must be closed; NULL is fine */
/* Another certificate for `names` ("DNS:a.test,IP:10.0.0.1") in the fixture's files. */
void tls_fixture_make(struct tls_fixture *f, const char *names);
/* What `f`'s files say now, with one more variable ("SEXTANT_...=...") or "". NULL after issues. */
struct tls_server *tls_fixture_server(struct tls_fixture *f, const char *variable);

#endif
