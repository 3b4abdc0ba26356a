/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_TLS_IMPL_H
#define SEXTANT_NET_TLS_IMPL_H

/* The inside of TLS, for the files of this folder. */

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "proxy/net/tls.h"
#include "proxy/net/tls_names.h"

struct tls_certificate {
    SSL_CTX *ctx;
    struct str file;
    int64_t not_after;
    struct tls_names names;
    unsigned char *staple; /* OCSP response, DER; NULL: none */
    int staple_len;
    int64_t staple_until; /* seconds since 1970 */
};

enum { TLS_CERTIFICATES_MAX = 64 };

struct tls_server {
    atomic_uint refs;
    struct tls_certificate *certificates; /* the first is the default */
    unsigned n;
    struct tls_tickets *tickets; /* NULL: none are given out */
    int64_t rotation_us;
    STACK_OF(X509_NAME) * client_names; /* of the authorities, told to clients */
    X509_STORE *client_store;
    struct arena arena;
};

struct tls_client {
    atomic_uint refs;
    SSL_CTX *ctx;
    char *name; /* "" for the URL's host */
    bool verify;
};

/* --- tls_tickets.c ------------------------------------------------------------------------------------------------ */

struct tls_tickets *tls_tickets_new(void);
struct tls_tickets *tls_tickets_ref(struct tls_tickets *t);
void tls_tickets_unref(struct tls_tickets *t);
/* Let ctx give out and take tickets with these keys; ctx's app data is its struct tls_server. */
void tls_tickets_use(SSL_CTX *ctx);

/* --- tls_file.c: reading what is on disk -------------------------------------------------------------------------- */

/* Certificate and chain, with its key, into ctx. NULL, or what is wrong: text of static life or in `arena`. */
const char *tls_file_identity(SSL_CTX *ctx, struct str cert, struct str key, struct arena *arena);
const char *tls_file_authorities(X509_STORE *store, STACK_OF(X509_NAME) * names, struct str path, struct arena *arena);
/* An OCSP response that speaks of `cert`: DER in *ret_der, to be freed by OPENSSL_free(). */
const char *tls_file_staple(
    struct str path, X509 *cert, struct arena *arena, unsigned char **ret_der, int *ret_len, int64_t *ret_until);
int64_t tls_time(const ASN1_TIME *t); /* seconds since 1970 */
/* "expired on ...", "is not valid before ..." or NULL. */
const char *tls_doubt(const X509 *cert, int64_t now_s, struct arena *arena);
/* The first error that OpenSSL has to tell, and forgets all. */
const char *tls_error_text(struct arena *arena);
/* "CN=alice,O=Example" as RFC 2253 has it: printable ASCII only. To be freed by mem_free(). */
char *tls_subject(X509_NAME *name);

#endif
