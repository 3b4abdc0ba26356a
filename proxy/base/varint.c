/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/varint.h"

void
varint_put(struct buf *out, uint64_t value)
{
    for (; value >= 128; value >>= 7)
        buf_putc(out, (char)(value | 128));
    buf_putc(out, (char)value);
}

void
varint_put_str(struct buf *out, struct str text)
{
    varint_put(out, text.len);
    buf_add(out, text);
}

bool
varint_take(struct str *io, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (unsigned shift = 0; io->len && shift < 64; shift += 7) {
        uint8_t byte = (uint8_t)*io->p;

        if ((shift == 63 && byte > 1) || (byte == 0 && shift > 0)) /* too large; ends in nothing */
            return false;
        value |= (uint64_t)(byte & 127) << shift;
        *io = str_make(io->p + 1, io->len - 1);
        if (byte < 128) {
            *ret_value = value;
            return value <= max;
        }
    }
    return false;
}

bool
varint_take_str(struct str *io, struct str *ret_text)
{
    uint64_t len;

    if (!varint_take(io, io->len, &len) || len > io->len)
        return false;
    *ret_text = str_make(io->p, len);
    *io = str_make(io->p + len, io->len - len);
    return true;
}
