/* SPDX-License-Identifier: Apache-2.0
 *
 * The other side: what is demanded of endpoints, and their sessions. A session is used only under the rules that it was made
 * under, as one that goes on is not verified again.
 */
#include <openssl/err.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/net/stream_tls_impl.h"

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

struct load {
    const struct tls_client_rules *rules;
    tls_tell_fn *tell;
    void *arg;
    SSL_CTX *ctx;
    struct arena arena;
    bool failed;
};

static void
complain(struct load *l, bool is_error, const char *rule, const char *text)
{
    l->failed |= is_error;
    l->tell(l->arg, is_error, rule, text);
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_get_ex_data(ssl, tls_index());

    if (!t->memory)
        return 0;
    tls_memory_keep(t->memory, session, t->client);
    return 1;
}

static void
load_authorities(struct load *l)
{
    const char *error;

    if (!l->rules->verify) {
        if (l->rules->ca_file.len)
            complain(l, true, "ca_file", "nothing is verified with TLS_VERIFY=off: leave one of the two out");
        return;
    }
    if (l->rules->ca_file.len == 0) {
        if (SSL_CTX_set_default_verify_paths(l->ctx) != 1)
            complain(l, true, "ca_file", tls_error_text(&l->arena));
        return;
    }
    error = tls_file_authorities(SSL_CTX_get_cert_store(l->ctx), NULL, l->rules->ca_file, &l->arena);
    if (error)
        complain(l, true, "ca_file", error);
}

static void
load_identity(struct load *l)
{
    const struct tls_client_rules *r = l->rules;
    const char *error;

    if (r->cert.len == 0 && r->key.len == 0)
        return;
    if (r->cert.len == 0 || r->key.len == 0) {
        complain(
            l, true, r->cert.len ? "client_cert" : "client_key", "a client certificate needs both, it and its key");
        return;
    }
    error = tls_file_identity(l->ctx, r->cert, r->key, &l->arena);
    if (error) {
        complain(l, true, "client_cert", error);
        return;
    }
    error = tls_doubt(SSL_CTX_get0_certificate(l->ctx), clock_wall_us() / USEC_PER_SEC, &l->arena);
    if (error)
        complain(l, false, "client_cert", arena_printf(&l->arena, STR_FMT ": %s", STR_ARG(r->cert), error).p);
}

static SSL_CTX *
new_context(const struct tls_client_rules *rules)
{
    static const unsigned char http11[] = "\x08http/1.1";
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, CIPHERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_alpn_protos(ctx, http11, sizeof(http11) - 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    SSL_CTX_set_cert_cb(ctx, tls_on_asked, NULL);
    SSL_CTX_set_verify(ctx, rules->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, rules->verify ? tls_on_verify : NULL);
    return ctx;
}

struct tls_client *
tls_client_load(const struct tls_client_rules *rules, tls_tell_fn *tell, void *arg)
{
    struct load l = { .rules = rules, .tell = tell, .arg = arg, .ctx = new_context(rules) };
    struct tls_client *t = NULL;

    load_authorities(&l);
    load_identity(&l);
    ERR_clear_error();
    arena_fini(&l.arena);
    if (l.failed) {
        SSL_CTX_free(l.ctx);
        return NULL;
    }
    t = MEM_NEW(struct tls_client);
    atomic_init(&t->refs, 1);
    t->ctx = l.ctx;
    t->name = mem_dup(rules->name.len ? rules->name.p : "", rules->name.len);
    t->verify = rules->verify;
    return t;
}

struct tls_client *
tls_client_ref(struct tls_client *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void
tls_client_unref(struct tls_client *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(t->ctx);
    mem_free(t->name);
    mem_free(t);
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

struct tls_memory *
tls_memory_new(void)
{
    return MEM_NEW(struct tls_memory);
}

void
tls_memory_keep(struct tls_memory *m, SSL_SESSION *session, struct tls_client *client)
{
    tls_client_ref(client);
    SSL_SESSION_free(m->session);
    tls_client_unref(m->client);
    m->session = session;
    m->client = client;
}

void
tls_memory_free(struct tls_memory *m)
{
    if (!m)
        return;
    SSL_SESSION_free(m->session);
    tls_client_unref(m->client);
    mem_free(m);
}
