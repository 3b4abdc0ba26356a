/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_NET_STREAM_TLS_IMPL_H
#define SEXTANT_NET_STREAM_TLS_IMPL_H

/* Shared by stream_tls.c (data), tls_handshake.c and tls_work.c only. */

#include <sys/queue.h>

#include "proxy/base/buf.h"
#include "proxy/net/stream_impl.h"
#include "proxy/net/stream_tls.h"
#include "proxy/net/tls_impl.h"

enum { TLS_RECORD_BYTES = 16 * 1024, TLS_OUT_HIGH = 64 * 1024 };

/*   SILENT (nothing came yet) -> HANDSHAKE -> OPEN
 *        \___________________________\________________> FAILED                                                          */
enum tls_state { TLS_SILENT, TLS_HANDSHAKE, TLS_OPEN, TLS_FAILED };
enum tls_queue { TLS_NOWHERE, TLS_READY, TLS_FULL, TLS_LINGERING };

struct tls {
    struct stream base;
    struct tls_work *work;
    struct stream *below;
    SSL *ssl;
    struct tls_server *server; /* a reference, or NULL: then a client's side */
    struct tls_client *client; /* a reference, or NULL */
    struct tls_memory *memory;
    struct buf early; /* came from below, not seen by OpenSSL yet */
    struct buf out;   /* for below, which did not take it yet */
    enum tls_state state;
    enum tls_queue queue;
    TAILQ_ENTRY(tls) entry;
    bool has_slot, is_shut, saw_end;
    bool was_asked, has_read;    /* by the endpoint, for a certificate; anything at all */
    bool has_moved;              /* bytes went down during this call */
    int below_error;             /* of the last read from below: -errno */
    int read_error, write_error; /* -errno: all further ones fail with it */
    struct str wanted;           /* name that the endpoint's certificate must be for; owned */
    struct tls_facts facts;
    char *error_text, *subject; /* owned */
    struct timer linger;
};

struct tls_work {
    struct loop *loop;
    struct tls_count *count;
    unsigned limit;
    TAILQ_HEAD(tls_list, tls) ready, full, lingering;
    struct task task;
    struct timer poll;
    struct buf scratch; /* ciphertext on its way down, during a call */
};

struct tls_memory {
    SSL_SESSION *session;
    struct tls_client *client; /* under whose rules it was made; a reference */
};

/* stream_tls.c */
BIO *tls_bio_new(struct tls *t);
void tls_forget_errors(void);
void tls_flush(struct tls *t); /* scratch, and what waits, to the stream below; errors go to write_error */

/* tls_handshake.c */
void tls_step(struct tls *t);                     /* as far as it goes now */
bool tls_prepare(struct tls *t, struct str host); /* the client's side, before the first step */
void tls_explain(
    struct tls *t, int ssl_error, bool in_handshake); /* fill failure and error_text from OpenSSL's errors */
int tls_index(void);                                  /* of a struct tls in an SSL */
int tls_on_asked(SSL *ssl, void *arg);                /* for SSL_CTX_set_cert_cb() */
int tls_on_verify(int ok, X509_STORE_CTX *store);     /* for SSL_CTX_set_verify() */

/* tls_client.c: takes over the session. */
void tls_memory_keep(struct tls_memory *m, SSL_SESSION *session, struct tls_client *client);

/* tls_work.c */
void tls_work_queue(struct tls *t);  /* a step is due, from the loop */
void tls_work_leave(struct tls *t);  /* whatever queue it is in; gives its slot back */
bool tls_work_slot(struct tls *t);   /* may its handshake begin? else it waits */
void tls_work_linger(struct tls *t); /* closed by its user, with bytes that still have to go out */
void tls_free(struct tls *t);

#endif
