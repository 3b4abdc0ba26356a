/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of session tickets: made at random, in memory only, replaced after each period. A ticket is good for at most one
 * period after its key was replaced; one by an older key is as none. All workers and all generations of the configuration
 * share them, so a session may go on at any worker and across a reload.
 */
#include <openssl/rand.h>
#include <pthread.h>

#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/net/tls_impl.h"

enum { NAME_LEN = 16, KEY_LEN = 32, N_KEYS = 2 };

struct key {
    unsigned char name[NAME_LEN], cipher[KEY_LEN], mac[KEY_LEN];
    int64_t made_us; /* 0: none */
};

struct tls_tickets {
    atomic_uint refs;
    struct {
        pthread_mutex_t lock;
        struct key keys[N_KEYS]; /* the newest first */
    } shared;
};

struct tls_tickets *
tls_tickets_new(void)
{
    struct tls_tickets *t = MEM_NEW(struct tls_tickets);

    atomic_init(&t->refs, 1);
    pthread_mutex_init(&t->shared.lock, NULL);
    return t;
}

struct tls_tickets *
tls_tickets_ref(struct tls_tickets *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void
tls_tickets_unref(struct tls_tickets *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    OPENSSL_cleanse(t->shared.keys, sizeof(t->shared.keys));
    pthread_mutex_destroy(&t->shared.lock);
    mem_free(t);
}

static bool
make_key(struct key *k, int64_t now_us)
{
    if (RAND_bytes(k->name, NAME_LEN) != 1 || RAND_priv_bytes(k->cipher, KEY_LEN) != 1 ||
        RAND_priv_bytes(k->mac, KEY_LEN) != 1)
        return false;
    k->made_us = now_us;
    return true;
}

/* The key that new tickets are made with. */
static bool
newest(struct tls_tickets *t, int64_t rotation_us, struct key *ret_key)
{
    int64_t now_us = clock_mono_us();
    struct key *keys = t->shared.keys;
    struct key fresh;
    bool ok = true;

    pthread_mutex_lock(&t->shared.lock);
    if (!keys[0].made_us || now_us - keys[0].made_us >= rotation_us) {
        ok = make_key(&fresh, now_us);
        if (ok) {
            keys[1] = keys[0];
            keys[0] = fresh;
        }
    }
    *ret_key = keys[0];
    pthread_mutex_unlock(&t->shared.lock);
    OPENSSL_cleanse(&fresh, sizeof(fresh));
    return ok;
}

/* 0: not ours or too old, 1: the newest, 2: an older one. */
static int
find(struct tls_tickets *t, int64_t rotation_us, const unsigned char *name, struct key *ret_key)
{
    int64_t now_us = clock_mono_us();
    int found = 0;

    pthread_mutex_lock(&t->shared.lock);
    for (int i = 0; i < N_KEYS && !found; i++) {
        const struct key *k = &t->shared.keys[i];

        if (!k->made_us || now_us - k->made_us >= 2 * rotation_us || memcmp(k->name, name, NAME_LEN) != 0)
            continue;
        *ret_key = *k;
        found = i == 0 && now_us - k->made_us < rotation_us ? 1 : 2;
    }
    pthread_mutex_unlock(&t->shared.lock);
    return found;
}

/* Names of parameters as in EVP_MAC-HMAC(7). */
static bool
set_mac(EVP_MAC_CTX *mac, struct key *k)
{
    OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string("key", k->mac, KEY_LEN),
        OSSL_PARAM_construct_utf8_string("digest", (char[]){ "SHA256" }, 0), OSSL_PARAM_construct_end() };

    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): -1 error, 0 no ticket, 1 fine, 2 fine and the client gets a new one. */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    const struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct key key = { .made_us = 0 };
    int result = 1;
    bool ok;

    if (encrypt) {
        ok = newest(server->tickets, server->rotation_us, &key) && RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1;
        memcpy(name, key.name, NAME_LEN);
    } else {
        result = find(server->tickets, server->rotation_us, name, &key);
        ok = true;
        /* A client of TLS 1.3 uses a ticket once. */
        if (result == 1 && SSL_version(ssl) == TLS1_3_VERSION)
            result = 2;
    }
    if (ok && result)
        ok = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, encrypt) == 1 && set_mac(mac, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    return ok ? result : -1;
}

void
tls_tickets_use(SSL_CTX *ctx)
{
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
