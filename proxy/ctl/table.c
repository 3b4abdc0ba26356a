/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/ctl/table.h"

#include <wchar.h>

enum { GAP = 2, LAST_MIN = 12 };

/* --- characters -------------------------------------------------------------------------------------------------- */

static uint32_t
decode(struct str s, size_t len)
{
    uint32_t c = (unsigned char)s.p[0];

    if (len == 1)
        return c;
    c &= 0x7fU >> len;
    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)s.p[i] & 0x3f);
    return c;
}

static bool
is_obeyed(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f || c == 0x061c ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

void
text_escape(struct str s, bool keeps_lines, struct buf *out)
{
    while (s.len) {
        size_t len = str_utf8_len(s);
        uint32_t c = len ? decode(s, len) : 0;

        if (len == 0)
            buf_printf(out, "\\x%02x", (unsigned char)s.p[0]);
        else if (!is_obeyed(c) || (keeps_lines && c == '\n'))
            buf_append(out, s.p, len);
        else if (c == '\n')
            buf_add(out, STR("\\n"));
        else
            buf_printf(out, c < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)c);
        s = str_skip(s, len ? len : 1);
    }
}

static unsigned
char_width(struct str s, size_t len)
{
    int n = len > 1 ? wcwidth((wchar_t)decode(s, len)) : 1;

    return n < 0 ? 1 : (unsigned)n;
}

unsigned
text_width(struct str s)
{
    unsigned width = 0;

    while (s.len) {
        size_t len = str_utf8_len(s);

        len = len ? len : 1;
        width += char_width(s, len);
        s = str_skip(s, len);
    }
    return width;
}

/* As much of it as fits, with an ellipsis when it is not all. */
static struct str
cut(struct str s, unsigned room, bool *ret_is_cut)
{
    size_t at = 0;
    unsigned width = 0;

    *ret_is_cut = text_width(s) > room;
    if (!*ret_is_cut)
        return s;
    while (at < s.len) {
        size_t len = str_utf8_len(str_skip(s, at));

        len = len ? len : 1;
        width += char_width(str_skip(s, at), len);
        if (width + 1 > room)
            break;
        at += len;
    }
    return str_make(s.p, at);
}

void
text_tint(struct str s, enum tint tint, const struct style *style, struct buf *out)
{
    static const char *const codes[] = { "", "\033[32m", "\033[33m", "\033[31m", "\033[2m" };
    bool is_tinted = style->has_colour && tint != TINT_NONE && s.len;

    if (is_tinted)
        buf_add(out, str_from(codes[tint]));
    buf_add(out, s);
    if (is_tinted)
        buf_add(out, STR("\033[0m"));
}

/* --- tables ------------------------------------------------------------------------------------------------------ */

void
table_init(struct table *t, struct arena *arena, const char *const *heads, unsigned n)
{
    struct cell *row;

    *t = (struct table){ .arena = arena, .n_columns = n };
    row = table_row(t);
    for (unsigned i = 0; i < n; i++) {
        bool is_right = heads[i][0] == '>';

        t->right |= (uint32_t)is_right << i;
        row[i] = (struct cell){ str_from(heads[i] + is_right), TINT_DIM };
    }
}

struct cell *
table_row(struct table *t)
{
    if (t->n_rows == t->cap_rows) {
        unsigned cap = t->cap_rows ? t->cap_rows * 2 : 16;
        struct cell *cells = ARENA_ARRAY(t->arena, (size_t)cap * t->n_columns, struct cell);

        if (t->n_rows)
            memcpy(cells, t->cells, (size_t)t->n_rows * t->n_columns * sizeof(*cells));
        t->cells = cells;
        t->cap_rows = cap;
    }
    return &t->cells[(size_t)t->n_rows++ * t->n_columns];
}

/* The cells with everything spelled out, and how wide each column is. */
static void
lay_out(const struct table *t, struct str *texts, unsigned *widths)
{
    struct buf text = { 0 };

    for (size_t i = 0; i < (size_t)t->n_rows * t->n_columns; i++) {
        unsigned width;

        buf_clear(&text);
        text_escape(t->cells[i].text, false, &text);
        if (buf_len(&text) == 0 && i % t->n_columns + 1 < t->n_columns)
            buf_putc(&text, '-');
        texts[i] = arena_str(t->arena, buf_str(&text));
        width = text_width(texts[i]);
        if (width > widths[i % t->n_columns])
            widths[i % t->n_columns] = width;
    }
    buf_fini(&text);
}

static void
pad(unsigned n, struct buf *out)
{
    while (n-- > 0)
        buf_putc(out, ' ');
}

static void
trim_line(struct buf *out)
{
    while (buf_len(out) && out->data[out->end - 1] == ' ')
        buf_truncate(out, buf_len(out) - 1);
}

/* What is left for the last column. */
static unsigned
last_room(const struct table *t, const struct style *style, const unsigned *widths)
{
    unsigned before = 0;

    for (unsigned i = 0; i + 1 < t->n_columns; i++)
        before += widths[i] + GAP;
    if (style->width == 0)
        return UINT32_MAX;
    return style->width > before + LAST_MIN ? style->width - before : (unsigned)LAST_MIN;
}

void
table_print(const struct table *t, const struct style *style, struct buf *out)
{
    struct str *texts = ARENA_ARRAY(t->arena, (size_t)t->n_rows * t->n_columns, struct str);
    unsigned widths[TABLE_COLUMNS] = { 0 }, room;

    lay_out(t, texts, widths);
    room = last_room(t, style, widths);
    for (unsigned row = 0; row < t->n_rows; row++) {
        for (unsigned i = 0; i < t->n_columns; i++) {
            size_t at = (size_t)row * t->n_columns + i;
            bool is_last = i + 1 == t->n_columns, is_cut = false;
            struct str text = is_last ? cut(texts[at], room, &is_cut) : texts[at];
            unsigned rest = is_last ? 0 : widths[i] - text_width(text);

            if (t->right >> i & 1)
                pad(is_last ? widths[i] - text_width(text) : rest, out);
            text_tint(text, t->cells[at].tint, style, out);
            if (is_cut)
                buf_add(out, STR("\xe2\x80\xa6"));
            if (!is_last)
                pad(GAP + (t->right >> i & 1 ? 0 : rest), out);
        }
        trim_line(out);
        buf_putc(out, '\n');
    }
}
