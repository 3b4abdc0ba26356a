/* SPDX-License-Identifier: Apache-2.0
 *
 * Our side of TLS: one SSL_CTX for each certificate, all alike but for it. A connection begins with the first and moves to
 * the one that fits the name which the client asks for.
 */
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/net/stream_tls_impl.h"

#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"

struct load {
    struct conf *conf;
    struct conf_issues *issues;
    struct tls_server *server;
    unsigned char id[SSL_MAX_SID_CTX_LENGTH]; /* sessions go on only under the same demands on clients */
    unsigned id_len;
};

/* --- callbacks of OpenSSL ----------------------------------------------------------------------------------------- */

static int
on_name(SSL *ssl, int *alert, void *arg)
{
    struct tls_server *t = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct tls_names *sets[TLS_CERTIFICATES_MAX];

    if (!name)
        return SSL_TLSEXT_ERR_NOACK;
    for (unsigned i = 0; i < t->n; i++)
        sets[i] = &t->certificates[i].names;
    SSL_set_SSL_CTX(ssl, t->certificates[tls_names_choose(sets, t->n, str_from(name))].ctx);
    return SSL_TLSEXT_ERR_OK;
}

static int
on_alpn(SSL *ssl, const unsigned char **ret_out, unsigned char *ret_len, const unsigned char *in, unsigned in_len,
    void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";

    /* "http/1.1" is found whole, with its length before it. */
    for (unsigned at = 0; at < in_len; at += in[at] + 1U) {
        if (in_len - at >= sizeof(ours) - 1 && memcmp(in + at, ours, sizeof(ours) - 1) == 0) {
            *ret_out = in + at + 1;
            *ret_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int
on_status(SSL *ssl, void *arg)
{
    const struct tls_server *t = arg;
    const SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    const struct tls_certificate *c = &t->certificates[0];
    unsigned char *copy;

    for (unsigned i = 0; i < t->n; i++)
        c = t->certificates[i].ctx == ctx ? &t->certificates[i] : c;
    if (!c->staple || c->staple_until < clock_wall_us() / USEC_PER_SEC)
        return SSL_TLSEXT_ERR_NOACK;
    copy = OPENSSL_memdup(c->staple, (size_t)c->staple_len);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, c->staple_len);
    return SSL_TLSEXT_ERR_OK;
}

/* --- one certificate ---------------------------------------------------------------------------------------------- */

static void
complain(struct load *l, bool is_error, const char *field, const char *text)
{
    conf_option_issue(l->issues, is_error, l->conf, field, "%s", text);
}

static void
add_name(struct tls_server *t, struct tls_names *names, const unsigned char *text, int len)
{
    if (len > 0)
        names->items[names->n++] = arena_str(&t->arena, str_make((const char *)text, (size_t)len));
}

/* The DNS names of subjectAltName; the common name where there are none, as old private authorities have it. */
static void
collect_names(struct tls_server *t, struct tls_names *names, X509 *cert)
{
    GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int n = list ? sk_GENERAL_NAME_num(list) : 0, at;

    names->items = ARENA_ARRAY(&t->arena, (size_t)n + 1, struct str);
    for (int i = 0; i < n; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);

        if (name->type == GEN_DNS)
            add_name(t, names, ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(list);
    at = X509_NAME_get_index_by_NID(X509_get_subject_name(cert), NID_commonName, -1);
    if (n == 0 && at >= 0) {
        const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(X509_get_subject_name(cert), at));

        add_name(t, names, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
    }
}

static void
set_sessions(struct load *l, SSL_CTX *ctx)
{
    const struct conf *conf = l->conf;
    int64_t life_s = conf->tls_ticket_rotation / 1000;

    SSL_CTX_set_session_id_context(ctx, l->id, l->id_len);
    SSL_CTX_set_session_cache_mode(ctx, conf->tls_session_cache ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
    SSL_CTX_sess_set_cache_size(ctx, (long)conf->tls_session_cache);
    if (life_s == 0) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
        return;
    }
    SSL_CTX_set_timeout(ctx, (long)(life_s < 7 * 86400 ? life_s : 7 * 86400));
    SSL_CTX_set_num_tickets(ctx, 1);
    tls_tickets_use(ctx);
}

static void
set_client_auth(struct load *l, SSL_CTX *ctx)
{
    bool required = str_eq(l->conf->tls_client_auth, STR("required"));

    if (!l->server->client_store)
        return;
    X509_STORE_up_ref(l->server->client_store);
    SSL_CTX_set_cert_store(ctx, l->server->client_store);
    SSL_CTX_set_client_CA_list(ctx, SSL_dup_CA_list(l->server->client_names));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), tls_on_verify);
}

static SSL_CTX *
new_context(struct load *l)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    bool is_13 = str_eq(l->conf->tls_min_version, STR("1.3"));

    SSL_CTX_set_app_data(ctx, l->server);
    SSL_CTX_set_min_proto_version(ctx, is_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(ctx, CIPHERS);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(ctx, 1);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, l->server);
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_tlsext_status_cb(ctx, on_status);
    SSL_CTX_set_tlsext_status_arg(ctx, l->server);
    set_sessions(l, ctx);
    set_client_auth(l, ctx);
    return ctx;
}

static void
load_staple(struct load *l, struct tls_certificate *c, struct str file, X509 *cert)
{
    const char *error;

    conf_add_file(l->conf, file);
    error = tls_file_staple(file, cert, &l->server->arena, &c->staple, &c->staple_len, &c->staple_until);
    if (error)
        complain(l, true, "tls_ocsp", error);
    else if (c->staple_until < clock_wall_us() / USEC_PER_SEC)
        complain(l, false, "tls_ocsp",
            arena_printf(
                &l->server->arena, STR_FMT ": the OCSP response is out of date, so it is not sent", STR_ARG(file))
                .p);
}

static void
load_certificate(struct load *l, struct str cert, struct str key, struct str staple)
{
    struct tls_server *t = l->server;
    struct tls_certificate *c = &t->certificates[t->n++];
    const char *error;

    conf_add_file(l->conf, cert);
    conf_add_file(l->conf, key);
    c->file = arena_str(&t->arena, cert);
    c->ctx = new_context(l);
    error = tls_file_identity(c->ctx, cert, key, &t->arena);
    if (error) {
        complain(l, true, "tls_cert", error);
        return;
    }
    c->not_after = tls_time(X509_get0_notAfter(SSL_CTX_get0_certificate(c->ctx)));
    collect_names(t, &c->names, SSL_CTX_get0_certificate(c->ctx));
    error = tls_doubt(SSL_CTX_get0_certificate(c->ctx), clock_wall_us() / USEC_PER_SEC, &t->arena);
    if (error)
        complain(l, false, "tls_cert", arena_printf(&t->arena, STR_FMT ": %s", STR_ARG(cert), error).p);
    if (staple.len)
        load_staple(l, c, staple, SSL_CTX_get0_certificate(c->ctx));
}

/* --- all of them -------------------------------------------------------------------------------------------------- */

static unsigned
count_items(struct str list)
{
    unsigned n = list.len > 0;

    for (size_t i = 0; i < list.len; i++)
        n += list.p[i] == ',';
    return n;
}

/* The next item of a list by commas, and the rest in *list. */
static struct str
next_item(struct str *list)
{
    struct str item;

    str_cut(*list, ',', &item, list);
    return str_trim(item);
}

static void
load_certificates(struct load *l)
{
    struct str certs = l->conf->tls_cert, keys = l->conf->tls_key, staples = l->conf->tls_ocsp;
    unsigned n = count_items(certs);

    if (n != count_items(keys)) {
        complain(
            l, true, "tls_key", "there must be one key for each certificate of SEXTANT_TLS_CERT, in the same order");
        return;
    }
    if (count_items(staples) > n) {
        complain(l, true, "tls_ocsp", "there are more responses than certificates in SEXTANT_TLS_CERT");
        return;
    }
    if (n > TLS_CERTIFICATES_MAX) {
        complain(l, true, "tls_cert", "there may be 64 certificates at most");
        return;
    }
    l->server->certificates = ARENA_ARRAY(&l->server->arena, n, struct tls_certificate);
    for (unsigned i = 0; i < n; i++) {
        struct str cert = next_item(&certs), key = next_item(&keys), staple = next_item(&staples);

        load_certificate(l, cert, key, staple);
    }
}

/* What a session that goes on was admitted under: another authority or a stricter rule makes it begin anew. */
static void
make_id(struct load *l)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    struct str auth = l->conf->tls_client_auth;
    STACK_OF(X509_OBJECT) *objects = l->server->client_store ? X509_STORE_get0_objects(l->server->client_store) : NULL;

    EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    EVP_DigestUpdate(hash, auth.p, auth.len);
    for (int i = 0; objects && i < sk_X509_OBJECT_num(objects); i++) {
        const X509 *cert = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        unsigned char print[EVP_MAX_MD_SIZE];
        unsigned len = 0;

        if (cert && X509_digest(cert, EVP_sha256(), print, &len) == 1)
            EVP_DigestUpdate(hash, print, len);
    }
    EVP_DigestFinal_ex(hash, l->id, &l->id_len);
    EVP_MD_CTX_free(hash);
}

static void
load_client_ca(struct load *l)
{
    struct tls_server *t = l->server;
    const struct conf *conf = l->conf;
    const char *error;

    if (str_eq(conf->tls_client_auth, STR("off"))) {
        if (conf->tls_client_ca.len)
            complain(l, true, "tls_client_auth", "SEXTANT_TLS_CLIENT_CA is given: say optional or required");
        return;
    }
    if (!str_eq(conf->tls_client_auth, STR("optional")) && !str_eq(conf->tls_client_auth, STR("required"))) {
        complain(l, true, "tls_client_auth", "expected off, optional or required");
        return;
    }
    if (conf->tls_client_ca.len == 0) {
        complain(l, true, "tls_client_auth", "SEXTANT_TLS_CLIENT_CA must name the authorities of clients");
        return;
    }
    conf_add_file(l->conf, conf->tls_client_ca);
    t->client_store = X509_STORE_new();
    t->client_names = sk_X509_NAME_new_null();
    error = tls_file_authorities(t->client_store, t->client_names, conf->tls_client_ca, &t->arena);
    if (error)
        complain(l, true, "tls_client_ca", error);
}

/* Options that mean nothing without a certificate. */
static void
check_unused(struct load *l)
{
    if (l->conf->tls_key.len)
        complain(l, true, "tls_key", "there is a key but no certificate: SEXTANT_TLS_CERT is empty");
    if (l->conf->tls_ocsp.len)
        complain(l, true, "tls_ocsp", "there is a response but no certificate: SEXTANT_TLS_CERT is empty");
    if (l->conf->tls_client_ca.len || !str_eq(l->conf->tls_client_auth, STR("off")))
        complain(l, true, l->conf->tls_client_ca.len ? "tls_client_ca" : "tls_client_auth",
            "client certificates need a TLS listener: SEXTANT_TLS_CERT is empty");
}

struct tls_server *
tls_server_load(struct conf *conf, struct conf_issues *issues)
{
    struct load l = { .conf = conf, .issues = issues };
    unsigned n_errors = issues->n_errors;
    struct tls_server *t;

    if (conf->tls_cert.len == 0) {
        check_unused(&l);
        return NULL;
    }
    if (!str_eq(conf->tls_min_version, STR("1.2")) && !str_eq(conf->tls_min_version, STR("1.3")))
        complain(&l, true, "tls_min_version", "expected 1.2 or 1.3");
    t = l.server = MEM_NEW(struct tls_server);
    atomic_init(&t->refs, 1);
    t->tickets = tls_tickets_new();
    t->rotation_us = conf->tls_ticket_rotation * USEC_PER_MSEC;
    load_client_ca(&l);
    make_id(&l);
    load_certificates(&l);
    ERR_clear_error();
    if (issues->n_errors == n_errors)
        return t;
    tls_server_unref(t);
    return NULL;
}

struct tls_server *
tls_server_ref(struct tls_server *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void
tls_server_unref(struct tls_server *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < t->n; i++) {
        SSL_CTX_free(t->certificates[i].ctx);
        OPENSSL_free(t->certificates[i].staple);
    }
    X509_STORE_free(t->client_store);
    sk_X509_NAME_pop_free(t->client_names, X509_NAME_free);
    tls_tickets_unref(t->tickets);
    arena_fini(&t->arena);
    mem_free(t);
}

void
tls_server_inherit(struct tls_server *fresh, const struct tls_server *old)
{
    tls_tickets_unref(fresh->tickets);
    fresh->tickets = tls_tickets_ref(old->tickets);
}

unsigned
tls_server_count(const struct tls_server *t)
{
    return t ? t->n : 0;
}

struct str
tls_server_certificate(const struct tls_server *t, unsigned i, int64_t *ret_not_after)
{
    *ret_not_after = t->certificates[i].not_after;
    return t->certificates[i].file;
}
