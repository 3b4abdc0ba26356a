/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/form.h"

bool
form_next(struct str *io, struct str *ret_key, struct str *ret_value)
{
    struct str pair = STR_NONE;

    while (io->len && !pair.len)
        str_cut(*io, '&', &pair, io);
    if (!pair.len)
        return false;
    str_cut(pair, '=', ret_key, ret_value);
    return true;
}

static char
next_char(struct str *text)
{
    char c = text->p[0];
    size_t len = 1;

    if (c == '+') {
        c = ' ';
    } else if (c == '%' && text->len > 2) {
        int high = str_hex_value(text->p[1]), low = str_hex_value(text->p[2]);

        if (high >= 0 && low >= 0) {
            c = (char)(high * 16 + low);
            len = 3;
        }
    }
    *text = str_skip(*text, len);
    return c;
}

bool
form_equals(struct str text, struct str literal)
{
    if (text.len <= literal.len) /* decoding makes nothing longer */
        return str_eq(text, literal);
    for (size_t i = 0; i < literal.len; i++) {
        if (text.len == 0 || next_char(&text) != literal.p[i])
            return false;
    }
    return text.len == 0;
}

bool
form_u64(struct str text, uint64_t *ret_value)
{
    char decoded[24];
    size_t n = 0;

    while (text.len && n < sizeof(decoded))
        decoded[n++] = next_char(&text);
    return !text.len && str_to_u64(str_make(decoded, n), ret_value);
}
