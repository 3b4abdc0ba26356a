/* SPDX-License-Identifier: Apache-2.0
 *
 * Data over TLS. OpenSSL reads from the stream below and writes into the thread's scratch buffer, which never is full, so it
 * never stops in the middle of a record; what the stream below does not take waits in `out`, and until that is gone nothing
 * more is taken from the user.
 *
 * 1. The scratch buffer is empty between calls.
 * 2. An end without close_notify is a break: a cut answer is never taken for a whole one. OpenSSL is told to take it for an
 *    end (SSL_OP_IGNORE_UNEXPECTED_EOF), as it would otherwise forget the session, which most clients want to go on with;
 *    what it was is known here, as close_notify is seen before the end below is.
 * 3. Buffers of an idle connection are given back, OpenSSL's (SSL_MODE_RELEASE_BUFFERS) and ours.
 */
#include "proxy/net/stream_tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <string.h>

#include "proxy/base/mem.h"
#include "proxy/net/stream_tls_impl.h"

enum { SCRATCH_KEPT = 256 * 1024, DIRECT_BYTES = 4096 };

static struct tls *
tls_of(struct stream *s)
{
    return (struct tls *)(void *)s;
}

static const struct tls *
const_tls_of(const struct stream *s)
{
    return (const struct tls *)(const void *)s;
}

/* --- between OpenSSL and the stream below ------------------------------------------------------------------------- */

static int
bio_read(BIO *bio, char *into, int room)
{
    struct tls *t = BIO_get_data(bio);
    ssize_t n;

    BIO_clear_retry_flags(bio);
    if (room <= 0)
        return 0;
    if (buf_len(&t->early)) {
        struct str early = buf_str(&t->early);
        size_t len = early.len < (size_t)room ? early.len : (size_t)room;

        memcpy(into, early.p, len);
        buf_consume(&t->early, len);
        if (buf_len(&t->early) == 0)
            buf_fini(&t->early);
        return (int)len;
    }
    n = stream_read(t->below, into, (size_t)room);
    if (n > 0)
        return (int)n;
    if (n == -EAGAIN)
        BIO_set_retry_read(bio);
    else if (n == 0)
        t->saw_end = true;
    else
        t->below_error = (int)n;
    return n == 0 ? 0 : -1;
}

static int
bio_write(BIO *bio, const char *bytes, int len)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (len > 0)
        buf_append(&t->work->scratch, bytes, (size_t)len);
    return len;
}

static long
bio_ctrl(BIO *bio, int what, long number, void *pointer)
{
    const struct tls *t = BIO_get_data(bio);

    switch (what) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return t->saw_end;
    default:
        return 0;
    }
}

static BIO_METHOD *method;

static void
make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

BIO *
tls_bio_new(struct tls *t)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    BIO *bio;

    pthread_once(&once, make_method);
    bio = BIO_new(method);
    assert(bio);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    return bio;
}

/* Before each call of OpenSSL: it takes old errors for its own. To clear the list costs more than to see that it is empty. */
void
tls_forget_errors(void)
{
    if (ERR_peek_error())
        ERR_clear_error();
}

/* Write from the front; what is left stays. */
static void
drain(struct tls *t, struct buf *from)
{
    size_t before = buf_len(from), none;

    if (!t->write_error)
        t->write_error = stream_send(t->below, from, STR_NONE, &none);
    t->has_moved |= buf_len(from) < before;
}

void
tls_flush(struct tls *t)
{
    struct buf *scratch = &t->work->scratch;

    drain(t, &t->out);
    if (buf_len(&t->out) == 0)
        drain(t, scratch);
    buf_add(&t->out, buf_str(scratch));
    if (scratch->cap > SCRATCH_KEPT)
        buf_fini(scratch);
    else
        buf_clear(scratch);
    if (buf_len(&t->out) && !t->write_error)
        return;
    buf_fini(&t->out);
    if (t->is_shut && t->state == TLS_OPEN)
        stream_shutdown(t->below);
}

/* --- operations --------------------------------------------------------------------------------------------------- */

static bool
tls_is_connected(const struct stream *s)
{
    return const_tls_of(s)->state == TLS_OPEN;
}

/* OpenSSL would find out by itself, at the price of a fifth of a record. */
static bool
tls_may_read(const struct stream *s)
{
    const struct tls *t = const_tls_of(s);

    /* A peer that asks and does not listen is not answered without end. */
    if (t->state != TLS_OPEN || buf_len(&t->out) > TLS_OUT_HIGH)
        return t->read_error != 0;
    return t->read_error || (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) || buf_len(&t->early) ||
           SSL_has_pending(t->ssl) || stream_may_read(t->below);
}

static ssize_t
read_failed(struct tls *t, int ssl_error)
{
    if (ssl_error == SSL_ERROR_WANT_READ)
        return -EAGAIN;
    if (ssl_error == SSL_ERROR_ZERO_RETURN && !t->saw_end)
        return 0;
    tls_explain(t, ssl_error, false);
    return t->read_error;
}

static ssize_t
tls_read(struct stream *s, void *into, size_t room)
{
    struct tls *t = tls_of(s);
    size_t n = 0;
    ssize_t result;

    if (t->read_error)
        return t->read_error;
    if (!tls_may_read(s))
        return -EAGAIN;
    tls_forget_errors();
    if (SSL_read_ex(t->ssl, into, room, &n) == 1) {
        result = (ssize_t)n;
        t->has_read = true;
    } else {
        result = read_failed(t, SSL_get_error(t->ssl, 0));
    }
    if (buf_len(&t->work->scratch))
        tls_flush(t);
    return result;
}

/* Where a write is: pieces are joined into whole records unless they are long. */
struct gather {
    const struct iovec *iov;
    int n;
    size_t at; /* in *iov */
};

static struct str
next_piece(struct gather *g, char *record)
{
    size_t len = 0;

    while (g->n > 0) {
        struct str left = str_make((const char *)g->iov->iov_base + g->at, g->iov->iov_len - g->at);
        size_t take = left.len < TLS_RECORD_BYTES - len ? left.len : TLS_RECORD_BYTES - len;

        if (len == 0 && left.len >= DIRECT_BYTES) {
            g->at += take;
            return str_make(left.p, take);
        }
        if (take)
            memcpy(record + len, left.p, take);
        len += take;
        g->at += take;
        if (g->at < g->iov->iov_len)
            break;
        g->iov++;
        g->n--;
        g->at = 0;
    }
    return str_make(record, len);
}

/* Encrypt piece by piece, for as long as the stream below takes it. */
static size_t
write_pieces(struct tls *t, const struct iovec *iov, int n)
{
    struct gather g = { .iov = iov, .n = n };
    char record[TLS_RECORD_BYTES];
    size_t total = 0, taken;
    struct str piece;

    while (!t->write_error && buf_len(&t->out) == 0 && (piece = next_piece(&g, record)).len) {
        tls_forget_errors();
        if (SSL_write_ex(t->ssl, piece.p, piece.len, &taken) != 1) {
            t->write_error = -EPROTO;
            break;
        }
        total += taken;
        if (buf_len(&t->work->scratch) >= TLS_OUT_HIGH)
            tls_flush(t);
    }
    if (buf_len(&t->work->scratch))
        tls_flush(t);
    return total;
}

static ssize_t
tls_write(struct stream *s, const struct iovec *iov, int n)
{
    struct tls *t = tls_of(s);
    size_t total;

    if (t->write_error)
        return t->write_error;
    if (t->is_shut)
        return -EPIPE;
    if (t->state != TLS_OPEN)
        return -EAGAIN;
    if (buf_len(&t->out)) {
        tls_flush(t);
        if (buf_len(&t->out))
            return -EAGAIN;
    }
    if (t->write_error)
        return t->write_error;
    t->has_moved = false;
    total = write_pieces(t, iov, n);
    return t->write_error && !t->has_moved ? t->write_error : (ssize_t)total;
}

static void
say_end(struct tls *t)
{
    tls_forget_errors();
    SSL_shutdown(t->ssl);
    tls_flush(t);
}

static void
tls_recheck(struct stream *s)
{
    stream_recheck(tls_of(s)->below);
}

static void
tls_shutdown(struct stream *s)
{
    struct tls *t = tls_of(s);

    if (t->is_shut)
        return;
    t->is_shut = true;
    if (t->state == TLS_OPEN)
        say_end(t);
}

static void
tls_close(struct stream *s, bool with_reset)
{
    struct tls *t = tls_of(s);

    tls_work_leave(t);
    t->memory = NULL;
    if (with_reset) {
        stream_abort(&t->below);
    } else if (t->state == TLS_OPEN && !t->is_shut && !t->read_error && !t->write_error) {
        t->is_shut = true;
        say_end(t);
    }
    if (!with_reset && buf_len(&t->out) && !t->write_error)
        tls_work_linger(t);
    else
        tls_free(t);
}

static const struct addr *
tls_peer(const struct stream *s, uint16_t *ret_port)
{
    return stream_peer(const_tls_of(s)->below, ret_port);
}

static const struct addr *
tls_local(struct stream *s, uint16_t *ret_port)
{
    return stream_local(tls_of(s)->below, ret_port);
}

static int64_t
tls_rtt_us(const struct stream *s)
{
    return stream_rtt_us(const_tls_of(s)->below);
}

static const struct stream_ops tls_ops = {
    .is_connected = tls_is_connected,
    .may_read = tls_may_read,
    .read = tls_read,
    .write = tls_write,
    .recheck = tls_recheck,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .peer = tls_peer,
    .local = tls_local,
    .rtt_us = tls_rtt_us,
};

/* --- beginning ---------------------------------------------------------------------------------------------------- */

static void
on_below(void *arg)
{
    struct tls *t = arg;

    if (t->state == TLS_SILENT || t->state == TLS_HANDSHAKE) {
        tls_work_queue(t);
        return;
    }
    if (buf_len(&t->out))
        tls_flush(t);
    stream_notify(&t->base);
}

static struct tls *
wrap(struct tls_work *w, struct stream *below, SSL_CTX *ctx)
{
    struct tls *t = MEM_NEW(struct tls);
    BIO *bio;

    t->base.ops = &tls_ops;
    t->work = w;
    t->below = below;
    t->facts.error = t->facts.subject = t->facts.version = t->facts.cipher = "";
    t->ssl = SSL_new(ctx);
    assert(t->ssl);
    SSL_set_ex_data(t->ssl, tls_index(), t);
    bio = tls_bio_new(t);
    SSL_set_bio(t->ssl, bio, bio);
    stream_on_event(below, on_below, t);
    tls_work_queue(t);
    return t;
}

struct stream *
stream_tls_accept(struct tls_work *w, struct tls_server *server, struct stream *below, struct str early)
{
    struct tls *t = wrap(w, below, server->certificates[0].ctx);

    t->server = tls_server_ref(server);
    buf_add(&t->early, early);
    SSL_set_accept_state(t->ssl);
    return &t->base;
}

struct stream *
stream_tls_connect(
    struct tls_work *w, struct tls_client *client, struct str host, struct stream *below, struct tls_memory *memory)
{
    struct tls *t = wrap(w, below, client->ctx);

    t->client = tls_client_ref(client);
    t->memory = memory;
    SSL_set_connect_state(t->ssl);
    tls_prepare(t, host);
    return &t->base;
}

const struct tls_facts *
stream_tls_facts(const struct stream *s)
{
    return s && s->ops == &tls_ops ? &const_tls_of(s)->facts : NULL;
}

struct stream *
stream_tls_unwrap(struct stream **sp)
{
    struct tls *t = tls_of(*sp);
    struct stream *below = t->below;

    assert((*sp)->ops == &tls_ops);
    *sp = NULL;
    t->below = NULL;
    stream_on_event(below, NULL, NULL);
    tls_free(t);
    return below;
}
