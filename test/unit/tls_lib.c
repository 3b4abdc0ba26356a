/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "test/unit/tls_lib.h"

static void
add_extension(X509 *cert, int what, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, what, value);

    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

void
tls_fixture_make(struct tls_fixture *f, const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    FILE *out;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(cert));
    add_extension(cert, NID_subject_alt_name, names);
    add_extension(cert, NID_basic_constraints, "CA:TRUE");
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    out = fopen(f->cert, "w");
    PEM_write_X509(out, cert);
    fclose(out);
    out = fopen(f->key, "w");
    PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL);
    fclose(out);
    X509_free(cert);
    EVP_PKEY_free(key);
}

struct tls_server *
tls_fixture_server(struct tls_fixture *f, const char *variable)
{
    char cert[128], key[128];
    char *env[] = { cert, key, (char *)(uintptr_t)(*variable ? variable : NULL), NULL };

    snprintf(cert, sizeof(cert), "SEXTANT_TLS_CERT=%s", f->cert);
    snprintf(key, sizeof(key), "SEXTANT_TLS_KEY=%s", f->key);
    conf_free(f->conf);
    f->issues = (struct conf_issues){ .arena = &f->arena };
    f->conf = conf_load(env, &f->issues);
    return tls_server_load(f->conf, &f->issues);
}

static void
on_issue(void *arg, bool is_error, const char *rule, const char *text)
{
    fail_msg("%s: %s", rule, text);
}

struct tls_fixture *
tls_fixture_new(struct loop *loop)
{
    struct tls_fixture *f = MEM_NEW(struct tls_fixture);
    struct tls_client_rules rules = { .verify = true };

    snprintf(f->dir, sizeof(f->dir), "/tmp/sextant-tls-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof(f->key), "%s/key.pem", f->dir);
    tls_fixture_make(f, "DNS:edge.test,IP:127.0.0.1");
    f->work = tls_work_new(loop, &f->count);
    f->server = tls_fixture_server(f, "");
    assert_non_null(f->server);
    rules.ca_file = str_from(f->cert);
    f->client = tls_client_load(&rules, on_issue, NULL);
    f->memory = tls_memory_new();
    return f;
}

void
tls_fixture_free(struct tls_fixture *f)
{
    if (!f)
        return;
    tls_work_free(f->work);
    tls_memory_free(f->memory);
    tls_server_unref(f->server);
    tls_client_unref(f->client);
    conf_free(f->conf);
    arena_fini(&f->arena);
    unlink(f->cert);
    unlink(f->key);
    rmdir(f->dir);
    mem_free(f);
}
