/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates, keys and OCSP responses as files hold them, and what is to be said about them. Nothing here asks a terminal
 * for a passphrase.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "proxy/base/mem.h"
#include "proxy/net/tls_impl.h"

enum { STAPLE_BYTES_MAX = 64 * 1024 };

static int
no_passphrase(char *into, int room, int writing, void *arg)
{
    return 0;
}

const char *
tls_error_text(struct arena *arena)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    const char *text = reason ? reason : arena_printf(arena, "OpenSSL error %lx", error).p;

    ERR_clear_error();
    return text;
}

static BIO *
open_file(struct str path, struct arena *arena, const char **ret_error)
{
    struct str name = arena_str(arena, path);
    BIO *file;

    ERR_clear_error();
    errno = 0;
    file = BIO_new_file(name.p, "rb");
    if (!file)
        *ret_error = arena_printf(
            arena, "cannot read " STR_FMT ": %s", STR_ARG(name), strerrordesc_np(errno ? errno : ENOENT))
                         .p;
    ERR_clear_error();
    return file;
}

int64_t
tls_time(const ASN1_TIME *t)
{
    struct tm tm;

    return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static const char *
date(int64_t s, struct arena *arena)
{
    time_t seconds = (time_t)s;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    return arena_printf(arena, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday).p;
}

const char *
tls_doubt(const X509 *cert, int64_t now_s, struct arena *arena)
{
    int64_t from = tls_time(X509_get0_notBefore(cert)), until = tls_time(X509_get0_notAfter(cert));

    if (now_s > until)
        return arena_printf(arena, "the certificate expired on %s", date(until, arena)).p;
    if (now_s < from)
        return arena_printf(arena, "the certificate is not valid before %s", date(from, arena)).p;
    return NULL;
}

char *
tls_subject(X509_NAME *name)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *bytes, *copy = NULL;
    long len;

    if (out && X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253) >= 0) {
        len = BIO_get_mem_data(out, &bytes);
        copy = mem_dup(bytes, len > 0 ? (size_t)len : 0);
    }
    BIO_free(out);
    return copy;
}

/* --- identity ----------------------------------------------------------------------------------------------------- */

/* The file's first certificate is the server's own, the others its chain. */
static const char *
read_chain(SSL_CTX *ctx, BIO *file, struct arena *arena)
{
    X509 *cert = PEM_read_bio_X509(file, NULL, no_passphrase, NULL);
    bool ok;

    if (!cert)
        return "there is no certificate in it: expected PEM, the server's own certificate first, then its chain";
    ok = SSL_CTX_use_certificate(ctx, cert) == 1;
    X509_free(cert);
    SSL_CTX_clear_chain_certs(ctx);
    while (ok && (cert = PEM_read_bio_X509(file, NULL, no_passphrase, NULL))) {
        ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
        if (!ok)
            X509_free(cert);
    }
    if (!ok)
        return tls_error_text(arena);
    /* The end of the file is an error to the reader; anything else is one to us. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return tls_error_text(arena);
    ERR_clear_error();
    return NULL;
}

static const char *
read_key(SSL_CTX *ctx, BIO *file, struct arena *arena)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
    bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
    int reason = ERR_GET_REASON(ERR_peek_error());

    EVP_PKEY_free(key);
    if (ok)
        return NULL;
    if (key)
        return reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH
                   ? "the key does not belong to the first certificate of the certificate file"
                   : tls_error_text(arena);
    if (reason == PEM_R_BAD_PASSWORD_READ || reason == PEM_R_PROBLEMS_GETTING_PASSWORD)
        return "the key is encrypted: expected one without a passphrase";
    return "there is no private key in it: expected PEM without a passphrase";
}

static const char *
about(struct str path, const char *error, struct arena *arena)
{
    ERR_clear_error();
    return error ? arena_printf(arena, STR_FMT ": %s", STR_ARG(path), error).p : NULL;
}

const char *
tls_file_identity(SSL_CTX *ctx, struct str cert, struct str key, struct arena *arena)
{
    const char *error = NULL;
    BIO *file = open_file(cert, arena, &error);

    if (!file)
        return error;
    error = about(cert, read_chain(ctx, file, arena), arena);
    BIO_free(file);
    if (error)
        return error;
    file = open_file(key, arena, &error);
    if (!file)
        return error;
    error = about(key, read_key(ctx, file, arena), arena);
    BIO_free(file);
    return error;
}

/* --- authorities -------------------------------------------------------------------------------------------------- */

const char *
tls_file_authorities(X509_STORE *store, STACK_OF(X509_NAME) * names, struct str path, struct arena *arena)
{
    const char *error = NULL;
    BIO *file = open_file(path, arena, &error);
    unsigned n = 0;
    X509 *cert;

    if (!file)
        return error;
    while ((cert = PEM_read_bio_X509_AUX(file, NULL, no_passphrase, NULL))) {
        X509_NAME *name = names ? X509_NAME_dup(X509_get_subject_name(cert)) : NULL;

        if (name && !sk_X509_NAME_push(names, name))
            X509_NAME_free(name);
        n += X509_STORE_add_cert(store, cert) == 1;
        X509_free(cert);
    }
    if (n && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        error = tls_error_text(arena);
    else if (n == 0)
        error = "there is no certificate in it: expected PEM certificates of authorities";
    BIO_free(file);
    return about(path, error, arena);
}

/* --- OCSP --------------------------------------------------------------------------------------------------------- */

/* The answer about this serial number. */
static OCSP_SINGLERESP *
find_single(OCSP_BASICRESP *basic, X509 *cert)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        ASN1_INTEGER *serial = NULL;

        OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single));
        if (serial && ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(cert)) == 0)
            return single;
    }
    return NULL;
}

static const char *
judge_staple(OCSP_RESPONSE *response, X509 *cert, int64_t *ret_until)
{
    OCSP_BASICRESP *basic = OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL
                                ? OCSP_response_get1_basic(response)
                                : NULL;
    OCSP_SINGLERESP *single = basic ? find_single(basic, cert) : NULL;
    ASN1_GENERALIZEDTIME *until = NULL;
    const char *error = NULL;
    int status = single ? OCSP_single_get0_status(single, NULL, NULL, NULL, &until) : -1;

    if (!basic)
        error = "it is not a successful OCSP response";
    else if (!single)
        error = "it does not speak of this certificate";
    else if (status == V_OCSP_CERTSTATUS_REVOKED)
        error = "it says that the certificate is revoked";
    else
        *ret_until = until ? tls_time(until) : INT64_MAX;
    OCSP_BASICRESP_free(basic);
    return error;
}

const char *
tls_file_staple(
    struct str path, X509 *cert, struct arena *arena, unsigned char **ret_der, int *ret_len, int64_t *ret_until)
{
    const char *error = NULL;
    BIO *file = open_file(path, arena, &error);
    OCSP_RESPONSE *response;

    if (!file)
        return error;
    response = d2i_OCSP_RESPONSE_bio(file, NULL);
    BIO_free(file);
    error = response ? judge_staple(response, cert, ret_until) : "expected an OCSP response in DER form";
    if (!error) {
        *ret_der = NULL;
        *ret_len = i2d_OCSP_RESPONSE(response, ret_der);
        if (*ret_len <= 0 || *ret_len > STAPLE_BYTES_MAX)
            error = "it is too long";
    }
    OCSP_RESPONSE_free(response);
    return about(path, error, arena);
}
