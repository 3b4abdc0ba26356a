/* SPDX-License-Identifier: Apache-2.0
 *
 * Content codings, read whole (only user of zlib, brotli and zstd). What must hold:
 *   1. never more than `limit` bytes come out of any stage, however little goes in, and the windows of the decoders are
 *      bounded too (zlib 32 KiB, brotli 16 MiB, zstd 8 MiB);
 *   2. there is one reading of a body: the first stream must end exactly where the body ends. Qdrant's decoders differ in what
 *      they make of a second one, and what was read here must be what Qdrant reads.
 */
#include "proxy/http/coding.h"

#define ZLIB_CONST
#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

enum {
    MAX_STAGES = 3,
    MAX_STEP = 256 * 1024,   /* room that is reserved at a time */
    ZSTD_WINDOW_LOG_MAX = 23 /* RFC 9659 §3: content codings use windows up to 8 MiB */
};

enum step { STEP_MORE, STEP_END, STEP_BAD };

/* A decoder takes from *in and fills `room` bytes at `out`. STEP_MORE with neither taken nor filled means that input lacks. */
struct decoder {
    union {
        z_stream zlib;
        BrotliDecoderState *brotli;
        ZSTD_DStream *zstd;
    };
};

struct coding {
    struct str name;
    bool (*open)(struct decoder *d);
    enum step (*step)(struct decoder *d, struct str *in, char *out, size_t room, size_t *ret_n);
    void (*close)(struct decoder *d);
};

static bool
open_gzip(struct decoder *d)
{
    d->zlib = (z_stream){ 0 };
    return inflateInit2(&d->zlib, 15 + 16) == Z_OK;
}

/* RFC 9110 §8.4.1.2: "deflate" is the zlib format; Qdrant doesn't read the bare one either. */
static bool
open_deflate(struct decoder *d)
{
    d->zlib = (z_stream){ 0 };
    return inflateInit2(&d->zlib, 15) == Z_OK;
}

static enum step
step_zlib(struct decoder *d, struct str *in, char *out, size_t room, size_t *ret_n)
{
    uInt take = in->len < (1u << 30) ? (uInt)in->len : 1u << 30;
    int code;

    d->zlib.next_in = (const Bytef *)in->p;
    d->zlib.avail_in = take;
    d->zlib.next_out = (Bytef *)out;
    d->zlib.avail_out = (uInt)room;
    code = inflate(&d->zlib, Z_NO_FLUSH);
    *in = str_skip(*in, take - d->zlib.avail_in);
    *ret_n = room - d->zlib.avail_out;
    if (code == Z_STREAM_END)
        return STEP_END;
    return code == Z_OK || code == Z_BUF_ERROR ? STEP_MORE : STEP_BAD;
}

static void
close_zlib(struct decoder *d)
{
    inflateEnd(&d->zlib);
}

static bool
open_brotli(struct decoder *d)
{
    d->brotli = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    return d->brotli != NULL;
}

static enum step
step_brotli(struct decoder *d, struct str *in, char *out, size_t room, size_t *ret_n)
{
    const uint8_t *next_in = (const uint8_t *)in->p;
    uint8_t *next_out = (uint8_t *)out;
    size_t avail_in = in->len, avail_out = room;
    BrotliDecoderResult code;

    code = BrotliDecoderDecompressStream(d->brotli, &avail_in, &next_in, &avail_out, &next_out, NULL);
    *in = str_skip(*in, in->len - avail_in);
    *ret_n = room - avail_out;
    if (code == BROTLI_DECODER_RESULT_SUCCESS)
        return STEP_END;
    return code == BROTLI_DECODER_RESULT_ERROR ? STEP_BAD : STEP_MORE;
}

static void
close_brotli(struct decoder *d)
{
    BrotliDecoderDestroyInstance(d->brotli);
}

static bool
open_zstd(struct decoder *d)
{
    d->zstd = ZSTD_createDStream();
    if (!d->zstd)
        return false;
    if (!ZSTD_isError(ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX)))
        return true;
    ZSTD_freeDStream(d->zstd);
    return false;
}

static enum step
step_zstd(struct decoder *d, struct str *in, char *out, size_t room, size_t *ret_n)
{
    ZSTD_inBuffer from = { in->p, in->len, 0 };
    ZSTD_outBuffer to = { out, room, 0 };
    size_t code = ZSTD_decompressStream(d->zstd, &to, &from);

    *in = str_skip(*in, from.pos);
    *ret_n = to.pos;
    if (ZSTD_isError(code))
        return STEP_BAD;
    return code == 0 ? STEP_END : STEP_MORE;
}

static void
close_zstd(struct decoder *d)
{
    ZSTD_freeDStream(d->zstd);
}

static const struct coding codings[] = {
    { { "gzip", 4 }, open_gzip, step_zlib, close_zlib },
    { { "x-gzip", 6 }, open_gzip, step_zlib, close_zlib },
    { { "deflate", 7 }, open_deflate, step_zlib, close_zlib },
    { { "br", 2 }, open_brotli, step_brotli, close_brotli },
    { { "zstd", 4 }, open_zstd, step_zstd, close_zstd },
};

/* One stage. What came out before an error is the caller's to throw away. */
static enum fail
run(const struct coding *coding, struct str in, size_t limit, struct buf *out)
{
    struct decoder d;
    size_t done = 0, want = in.len < MAX_STEP / 4 ? in.len * 4 + 64 : MAX_STEP;
    enum fail fail = FAIL_NONE;
    enum step step = STEP_MORE;

    if (!coding->open(&d))
        return FAIL_INTERNAL;
    while (step == STEP_MORE && !fail) {
        /* One byte more than the limit: whether a body that fills it ends there is known by whether that byte comes. */
        size_t room = limit - done < want ? limit - done + 1 : want, n, before = in.len;

        step = coding->step(&d, &in, buf_reserve(out, room), room, &n);
        buf_commit(out, n);
        done += n;
        if (done > limit)
            fail = FAIL_BODY_TOO_LARGE;
        else if (step == STEP_BAD || (step == STEP_MORE && n < room && before == in.len))
            fail = FAIL_BAD_BODY;
    }
    coding->close(&d);
    return !fail && in.len ? FAIL_BAD_BODY : fail;
}

static const struct coding *
find(struct str name)
{
    for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++) {
        if (str_eq_nocase(codings[i].name, name))
            return &codings[i];
    }
    return NULL;
}

/* The stages in the order in which they were applied. Returns their number, or -1. */
static int
parse_stages(struct str list, const struct coding *stages[MAX_STAGES])
{
    int n = 0;

    while (list.len) {
        struct str name;

        str_cut(list, ',', &name, &list);
        name = str_trim(name);
        if (name.len == 0 || str_eq_nocase(name, STR("identity")))
            continue;
        if (n == MAX_STAGES || !(stages[n] = find(name)))
            return -1;
        n++;
    }
    return n;
}

enum fail
coding_decode(struct str content_encoding, struct str body, size_t limit, struct buf *out)
{
    const struct coding *stages[MAX_STAGES];
    int n = parse_stages(content_encoding, stages);
    size_t before = buf_len(out);
    struct buf between[2] = { { 0 } };
    enum fail fail = FAIL_NONE;

    if (n < 0)
        return FAIL_BAD_BODY;
    if (n == 0) {
        if (body.len > limit)
            return FAIL_BODY_TOO_LARGE;
        buf_add(out, body);
    }
    while (n-- > 0 && !fail) {
        struct buf *to = n ? &between[n % 2] : out;

        if (n)
            buf_clear(to);
        fail = run(stages[n], body, limit, to);
        body = buf_str(to);
    }
    if (fail)
        buf_truncate(out, before);
    buf_fini(&between[0]);
    buf_fini(&between[1]);
    return fail;
}
