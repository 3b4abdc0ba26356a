/* SPDX-License-Identifier: Apache-2.0
 *
 * The only user of zlib, brotli and zstd. Each decoder is fed the whole body and asked for output in pieces, so that the
 * limit stops a bomb before its memory is there.
 */
#include "proxy/http/coding.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

enum { PIECE = 32 * 1024, CODINGS_MAX = 3, WINDOW_AUTO_GZIP = 15 + 32 };

static enum fail
room_left(const struct buf *out, size_t limit)
{
    return buf_len(out) > limit ? FAIL_BODY_TOO_LARGE : FAIL_NONE;
}

static enum fail
inflate_all(z_stream *z, size_t limit, struct buf *out)
{
    int state = Z_OK;

    while (state == Z_OK) {
        z->next_out = (unsigned char *)buf_reserve(out, PIECE);
        z->avail_out = PIECE;
        state = inflate(z, Z_NO_FLUSH);
        buf_commit(out, PIECE - z->avail_out);
        if (room_left(out, limit))
            return FAIL_BODY_TOO_LARGE;
        if (state == Z_OK && z->avail_in == 0 && z->avail_out > 0)
            return FAIL_BAD_BODY;
    }
    return state == Z_STREAM_END && z->avail_in == 0 ? FAIL_NONE : FAIL_BAD_BODY;
}

static enum fail
decode_zlib(struct str in, int window_bits, size_t limit, struct buf *out)
{
    z_stream z = { .next_in = (unsigned char *)(uintptr_t)in.p, .avail_in = (unsigned)in.len };
    enum fail fail;

    if (inflateInit2(&z, window_bits) != Z_OK)
        return FAIL_MEMORY_FULL;
    fail = inflate_all(&z, limit, out);
    inflateEnd(&z);
    return fail;
}

/* "deflate" is the zlib format by RFC 9110 §8.4.1.2, but raw streams are sent under that name as well. */
static enum fail
decode_deflate(struct str in, size_t limit, struct buf *out)
{
    size_t before = buf_len(out);
    enum fail fail = decode_zlib(in, MAX_WBITS, limit, out);

    if (fail != FAIL_BAD_BODY)
        return fail;
    buf_truncate(out, before);
    return decode_zlib(in, -MAX_WBITS, limit, out);
}

static enum fail
decode_brotli(struct str in, size_t limit, struct buf *out)
{
    BrotliDecoderState *state = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    const uint8_t *next_in = (const uint8_t *)in.p;
    size_t avail_in = in.len;
    BrotliDecoderResult result = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    enum fail fail = state ? FAIL_NONE : FAIL_MEMORY_FULL;

    while (fail == FAIL_NONE && result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        uint8_t *next_out = (uint8_t *)buf_reserve(out, PIECE);
        size_t avail_out = PIECE;

        result = BrotliDecoderDecompressStream(state, &avail_in, &next_in, &avail_out, &next_out, NULL);
        buf_commit(out, PIECE - avail_out);
        fail = room_left(out, limit);
    }
    if (fail == FAIL_NONE && (result != BROTLI_DECODER_RESULT_SUCCESS || avail_in > 0))
        fail = FAIL_BAD_BODY;
    BrotliDecoderDestroyInstance(state);
    return fail;
}

static enum fail
decode_zstd(struct str in, size_t limit, struct buf *out)
{
    ZSTD_DStream *state = ZSTD_createDStream();
    ZSTD_inBuffer input = { in.p, in.len, 0 };
    enum fail fail = state ? FAIL_NONE : FAIL_MEMORY_FULL;
    size_t result = 1;
    bool is_full = false;

    if (state)
        ZSTD_initDStream(state);
    while (fail == FAIL_NONE && (input.pos < input.size || is_full)) {
        ZSTD_outBuffer output = { buf_reserve(out, PIECE), PIECE, 0 };

        result = ZSTD_decompressStream(state, &output, &input);
        buf_commit(out, output.pos);
        is_full = output.pos == output.size && result != 0;
        fail = ZSTD_isError(result) ? FAIL_BAD_BODY : room_left(out, limit);
    }
    ZSTD_freeDStream(state);
    return fail == FAIL_NONE && result != 0 ? FAIL_BAD_BODY : fail;
}

static enum fail
decode_one(struct str coding, struct str in, size_t limit, struct buf *out)
{
    if (in.len > UINT32_MAX)
        return FAIL_BODY_TOO_LARGE;
    if (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")))
        return decode_zlib(in, WINDOW_AUTO_GZIP, limit, out);
    if (str_eq_nocase(coding, STR("deflate")))
        return decode_deflate(in, limit, out);
    if (str_eq_nocase(coding, STR("br")))
        return decode_brotli(in, limit, out);
    if (str_eq_nocase(coding, STR("zstd")))
        return decode_zstd(in, limit, out);
    if (coding.len && !str_eq_nocase(coding, STR("identity")))
        return FAIL_BAD_BODY;
    if (in.len > limit)
        return FAIL_BODY_TOO_LARGE;
    buf_add(out, in);
    return FAIL_NONE;
}

static unsigned
split(struct str list, struct str *ret_codings)
{
    unsigned n = 0;

    while (list.len) {
        struct str item;

        str_cut(list, ',', &item, &list);
        if (n == CODINGS_MAX)
            return CODINGS_MAX + 1;
        ret_codings[n++] = str_trim(item);
    }
    return n;
}

enum fail
coding_decode(struct str content_encoding, struct str body, size_t limit, struct buf *out)
{
    struct str codings[CODINGS_MAX];
    unsigned n = split(content_encoding, codings);
    struct buf steps[2] = { 0 };
    enum fail fail = n > CODINGS_MAX ? FAIL_BAD_BODY : FAIL_NONE;
    struct str in = body;

    if (n == 0)
        return decode_one(STR_NONE, body, limit, out);
    /* The last one named was applied last, so it is taken off first. */
    for (unsigned i = n; i > 0 && fail == FAIL_NONE; i--) {
        struct buf *into = i == 1 ? out : &steps[i % 2];

        if (into != out)
            buf_clear(into);
        fail = decode_one(codings[i - 1], in, limit, into);
        in = buf_str(into);
    }
    buf_fini(&steps[0]);
    buf_fini(&steps[1]);
    return fail;
}
