/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_TLS_H
#define SEXTANT_NET_TLS_H

/* What TLS connections are made from: certificates, keys and rules of each side, as files said at one moment. Immutable but
 * for the keys of session tickets; shared by all threads, freed with the last reference. A reload builds new ones. Only this
 * folder knows OpenSSL. */

#include "conf/conf.h"

/* --- our side: certificates for clients --------------------------------------------------------------------------- */

struct tls_server;

/* From the options tls_*; files that they name are added to conf's watched ones. NULL without SEXTANT_TLS_CERT, and when
 * something is wrong, which goes to issues. */
struct tls_server *tls_server_load(struct conf *conf, struct conf_issues *issues);
struct tls_server *tls_server_ref(struct tls_server *t);
void tls_server_unref(struct tls_server *t); /* NULL is fine */
/* Tickets that `old` gave out stay good: before `fresh` is known to other threads. */
void tls_server_inherit(struct tls_server *fresh, const struct tls_server *old);
unsigned tls_server_count(const struct tls_server *t); /* certificates */
/* File and end of validity (seconds since 1970) of one of them. */
struct str tls_server_certificate(const struct tls_server *t, unsigned i, int64_t *ret_not_after);

/* --- the other side: what is demanded of an endpoint -------------------------------------------------------------- */

struct tls_client;

/* How to reach the endpoints of a cluster; empty texts for what is not given. */
struct tls_client_rules {
    struct str ca_file; /* else the system's store */
    struct str name;    /* expected in the certificate and sent as SNI; else the URL's host */
    struct str cert, key;
    bool verify;
};

/* What is wrong goes to `tell`, with the rule that it is about ("ca_file", "client_cert", ...). NULL after an error. */
typedef void tls_tell_fn(void *arg, bool is_error, const char *rule, const char *text);
struct tls_client *tls_client_load(const struct tls_client_rules *rules, tls_tell_fn *tell, void *arg);
struct tls_client *tls_client_ref(struct tls_client *t);
void tls_client_unref(struct tls_client *t); /* NULL is fine */

#endif
