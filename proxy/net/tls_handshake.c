/* SPDX-License-Identifier: Apache-2.0
 *
 * The handshake, one step at a time, and what is to be said when it fails.
 *
 *   SILENT: clients: the first byte tells TLS from plain HTTP, and only then a place among the handshakes is taken
 *           endpoints: until the connection below stands
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/net/stream_tls_impl.h"

enum { SNIFF_BYTES = 2048, SUBJECT_MAX = 1024, RECORD_HANDSHAKE = 0x16 };

/* --- failures ----------------------------------------------------------------------------------------------------- */

static void
set_text(struct tls *t, const char *text)
{
    mem_free(t->error_text);
    t->error_text = mem_dup(text, strlen(text));
    t->facts.error = t->error_text;
}

static enum tls_reason
reason_of(unsigned long error)
{
    int reason = ERR_GET_REASON(error);

    if (ERR_GET_LIB(error) != ERR_LIB_SSL)
        return TLS_REASON_PROTOCOL;
    if (reason >= SSL_AD_REASON_OFFSET)
        return TLS_REASON_ALERT;
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_WRONG_SSL_VERSION:
        return TLS_REASON_VERSION;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
        return TLS_REASON_NOT_TLS;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
        return TLS_REASON_CIPHER;
    case SSL_R_NO_APPLICATION_PROTOCOL:
        return TLS_REASON_ALPN;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return TLS_REASON_CERT_MISSING;
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return TLS_REASON_CERT_REFUSED;
    default:
        return TLS_REASON_PROTOCOL;
    }
}

static void
note(struct tls *t, bool in_handshake, enum tls_reason reason, int error, const char *text)
{
    t->read_error = error;
    if (in_handshake || reason == TLS_REASON_ALERT)
        t->facts.failure = reason;
    if (text && !t->error_text)
        set_text(t, text);
}

int
tls_on_asked(SSL *ssl, void *arg)
{
    struct tls *t = SSL_get_ex_data(ssl, tls_index());

    t->was_asked = true;
    return 1;
}

/* In TLS 1.3 our certificate is judged after the handshake, and not every server says by an alert that it was refused. */
static const char *
refusal(const struct tls *t)
{
    if (!t->was_asked || t->has_read)
        return NULL;
    return SSL_get_certificate(t->ssl) ? "it ended when it had been shown our certificate"
                                       : "it ended when it had asked for a certificate, and none is configured";
}

void
tls_explain(struct tls *t, int ssl_error, bool in_handshake)
{
    unsigned long error = ERR_peek_error();
    enum tls_reason reason = reason_of(error);
    const char *text = ERR_reason_error_string(error);

    if ((t->below_error || t->saw_end) && !in_handshake && refusal(t))
        note(t, true, TLS_REASON_ALERT, -EPROTO, refusal(t));
    else if (t->below_error)
        note(t, in_handshake, TLS_REASON_CUT, t->below_error, strerrordesc_np(-t->below_error));
    else if (t->saw_end)
        note(t, in_handshake, TLS_REASON_CUT, in_handshake ? -EPROTO : -ECONNRESET, "it ended without close_notify");
    else
        note(t, in_handshake, reason, reason == TLS_REASON_CERT_REFUSED ? -EKEYREJECTED : -EPROTO, text);
    ERR_clear_error();
}

static void
fail(struct tls *t, enum tls_reason reason, int error, const char *text)
{
    note(t, true, reason, error, text);
    t->state = TLS_FAILED;
    tls_work_leave(t);
    stream_notify(&t->base);
}

/* --- certificates of the other side ------------------------------------------------------------------------------- */

static void
add_printable(struct buf *out, const unsigned char *text, int len)
{
    for (int i = 0; i < len && i < 256; i++)
        buf_putc(out, text[i] > 0x20 && text[i] < 0x7f ? (char)text[i] : '?');
}

static void
add_name(struct buf *out, const GENERAL_NAME *name)
{
    struct addr addr = { .family = 0 };
    char text[ADDR_TEXT_MAX];
    int len;

    if (name->type == GEN_DNS) {
        add_printable(out, ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName));
        return;
    }
    len = ASN1_STRING_length(name->d.iPAddress);
    if (len != 4 && len != 16)
        return;
    addr.family = len == 4 ? 4 : 6;
    memcpy(addr.bytes, ASN1_STRING_get0_data(name->d.iPAddress), (size_t)len);
    buf_add(out, str_from(addr_print(&addr, -1, text)));
}

/* What a certificate is for: "a.example, *.b.example", or its subject. */
static void
add_names(struct buf *out, X509 *cert)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    unsigned n = 0;
    char *subject;

    for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && n < 8; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_DNS && name->type != GEN_IPADD)
            continue;
        if (n++)
            buf_add(out, STR(", "));
        add_name(out, name);
    }
    GENERAL_NAMES_free(names);
    if (n)
        return;
    subject = tls_subject(X509_get_subject_name(cert));
    buf_printf(out, "%s", subject ? subject : "no name");
    mem_free(subject);
}

int
tls_index(void)
{
    static atomic_int index = -1;
    int i = atomic_load(&index), none = -1;

    if (i >= 0)
        return i;
    i = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    /* Another thread may have been first: then one index stays unused. */
    return atomic_compare_exchange_strong(&index, &none, i) ? i : none;
}

/* Which check failed, for which certificate; the handshake then ends by OpenSSL's doing. */
int
tls_on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_ex_data(ssl, tls_index());
    int error = X509_STORE_CTX_get_error(store);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    struct arena arena = { 0 };
    struct buf text = { 0 };
    const char *doubt;

    if (ok)
        return 1;
    if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        buf_printf(&text, "hostname mismatch: wanted " STR_FMT ", certificate is for ", STR_ARG(t->wanted));
        add_names(&text, X509_STORE_CTX_get0_cert(store));
    } else {
        char *subject = cert ? tls_subject(X509_get_subject_name(cert)) : NULL;

        doubt = cert ? tls_doubt(cert, clock_wall_us() / USEC_PER_SEC, &arena) : NULL;
        buf_printf(&text, "%s (%s%s%s)", X509_verify_cert_error_string(error), subject ? subject : "no certificate",
            doubt ? ": " : "", doubt ? doubt : "");
        mem_free(subject);
    }
    buf_putc(&text, '\0');
    set_text(t, buf_str(&text).p);
    buf_fini(&text);
    arena_fini(&arena);
    return 0;
}

/* The subject of a client's certificate. A session that goes on is not verified again: time is looked at here. */
static bool
take_subject(struct tls *t)
{
    X509 *cert = SSL_get1_peer_certificate(t->ssl);
    struct arena arena = { 0 };
    const char *doubt;
    bool ok;

    if (!cert)
        return true;
    t->subject = tls_subject(X509_get_subject_name(cert));
    doubt = tls_doubt(cert, clock_wall_us() / USEC_PER_SEC, &arena);
    if (doubt)
        set_text(t, doubt);
    ok = !doubt && t->subject && strlen(t->subject) <= SUBJECT_MAX;
    t->facts.subject = ok ? t->subject : "";
    X509_free(cert);
    arena_fini(&arena);
    return ok;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

/* False when nothing has come yet, or what came is not TLS. */
static bool
has_hello(struct tls *t)
{
    char bytes[SNIFF_BYTES];
    ssize_t n;
    unsigned char first;

    if (buf_len(&t->early) == 0) {
        n = stream_read(t->below, bytes, sizeof(bytes));
        if (n == -EAGAIN)
            return false;
        if (n <= 0) {
            fail(t, TLS_REASON_CUT, n ? (int)n : -ECONNRESET, "nothing was sent");
            return false;
        }
        buf_append(&t->early, bytes, (size_t)n);
    }
    first = (unsigned char)buf_str(&t->early).p[0];
    if (first == RECORD_HANDSHAKE)
        return true;
    fail(t, first >= 'A' && first <= 'Z' ? TLS_REASON_PLAIN_HTTP : TLS_REASON_NOT_TLS, -EPROTO, "");
    return false;
}

static bool
has_connected(struct tls *t)
{
    char byte;
    ssize_t n;

    if (stream_is_connected(t->below))
        return true;
    n = stream_read(t->below, &byte, 1);
    if (n != -EAGAIN)
        fail(t, TLS_REASON_CUT, n ? (int)n : -ECONNRESET, "");
    return false;
}

static void
open_up(struct tls *t)
{
    t->facts.is_resumed = SSL_session_reused(t->ssl);
    t->facts.version = SSL_get_version(t->ssl);
    t->facts.cipher = SSL_get_cipher_name(t->ssl);
    if (t->server && !take_subject(t)) {
        fail(t, TLS_REASON_CERT_REFUSED, -EKEYREJECTED, "the subject of the certificate is too long");
        return;
    }
    t->state = TLS_OPEN;
    tls_work_leave(t);
    if (t->is_shut) {
        SSL_shutdown(t->ssl);
        tls_flush(t);
    }
    stream_notify(&t->base);
}

void
tls_step(struct tls *t)
{
    int result, error;

    if (t->state == TLS_SILENT) {
        if (!(t->server ? has_hello(t) : has_connected(t)))
            return;
        t->state = TLS_HANDSHAKE;
        t->facts.has_begun = true;
    }
    if (t->state != TLS_HANDSHAKE || (t->server && !tls_work_slot(t)))
        return;
    tls_forget_errors();
    stream_recheck(t->below);
    result = SSL_do_handshake(t->ssl);
    error = SSL_get_error(t->ssl, result);
    if (result != 1 && error != SSL_ERROR_WANT_READ)
        tls_explain(t, error, true);
    tls_flush(t);
    if (result == 1)
        open_up(t);
    else if (error != SSL_ERROR_WANT_READ)
        fail(t, t->facts.failure, t->read_error, "");
}

/* --- the client's side -------------------------------------------------------------------------------------------- */

bool
tls_prepare(struct tls *t, struct str host)
{
    struct str name = t->client->name[0] ? str_from(t->client->name) : host;
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    struct addr addr;
    bool ok = true;

    if (name.len && name.p[name.len - 1] == '.')
        name.len--; /* the root, which certificates and SNI leave out */
    t->wanted = str_make(mem_dup(name.p, name.len), name.len);
    if (addr_parse(name, &addr)) {
        ok = X509_VERIFY_PARAM_set1_ip_asc(param, t->wanted.p) == 1;
    } else {
        if (t->client->verify)
            ok = SSL_set1_host(t->ssl, t->wanted.p) == 1;
        ok = ok && SSL_set_tlsext_host_name(t->ssl, t->wanted.p) == 1;
    }
    if (t->memory && t->memory->session && t->memory->client == t->client)
        ok = ok && SSL_set_session(t->ssl, t->memory->session) == 1;
    return ok;
}
