/* SPDX-License-Identifier: Apache-2.0
 *
 * A file is the search tree, 16 zero bytes, the records, a marker and the metadata (MaxMind DB file format 2.0). Equal data
 * halves are merged first, so it holds as few nodes as the data needs, numbered from the root downwards. A half is written as
 * the number of a node, as the number of nodes (nothing is known), or as that plus 16 plus the offset of a record.
 */
#include "geoip/mmdb_writer_impl.h"

#include <assert.h>
#include <string.h>

#include "proxy/base/mem.h"

/* Nodes in the order in which they are written, those with equal data halves left out. */
struct layout {
    const struct mmdb_writer *w;
    uint32_t *number; /* by node: its number in the file */
    uint32_t *order;  /* by number: the node */
    uint32_t n;
};

/* What a half amounts to once equal data halves are one. */
static uint32_t
reduce(struct mmdb_writer *w, uint32_t half)
{
    struct node *node;

    if (half == EMPTY || half & DATA)
        return half;
    node = &w->nodes[half];
    node->half[0] = reduce(w, node->half[0]);
    node->half[1] = reduce(w, node->half[1]);
    if (node->half[0] == node->half[1] && (node->half[0] & DATA || node->half[0] == EMPTY))
        return node->half[0];
    return half;
}

static void
number_nodes(struct layout *l, uint32_t node)
{
    l->number[node] = l->n;
    l->order[l->n++] = node;
    for (unsigned b = 0; b < 2; b++) {
        uint32_t half = l->w->nodes[node].half[b];

        if (half != EMPTY && !(half & DATA))
            number_nodes(l, half);
    }
}

static void
put_string(struct buf *out, struct str s)
{
    assert(s.len < 285);
    if (s.len < 29) {
        buf_putc(out, (char)(0x40 | s.len));
    } else {
        buf_putc(out, (char)(0x40 | 29));
        buf_putc(out, (char)(s.len - 29));
    }
    buf_add(out, s);
}

static void
put_double(struct buf *out, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, 8);
    buf_putc(out, 0x68);
    for (int shift = 56; shift >= 0; shift -= 8)
        buf_putc(out, (char)(bits >> shift));
}

static void
put_number(struct buf *out, unsigned type, uint64_t value, unsigned bytes)
{
    if (type < 8) {
        buf_putc(out, (char)(type << 5 | bytes));
    } else {
        buf_putc(out, (char)bytes);
        buf_putc(out, (char)(type - 7));
    }
    for (unsigned i = bytes; i > 0; i--)
        buf_putc(out, (char)(value >> (i - 1) * 8));
}

static void
put_map(struct buf *out, unsigned pairs)
{
    assert(pairs < 29);
    buf_putc(out, (char)(0xe0 | pairs));
}

static void
put_point(struct buf *out, const struct record *r)
{
    put_string(out, STR("latitude"));
    put_double(out, r->lat);
    put_string(out, STR("longitude"));
    put_double(out, r->lon);
}

static void
put_flat(struct buf *out, const struct record *r)
{
    put_map(out, r->has_point ? 3 : 1);
    put_string(out, STR("country_code"));
    put_string(out, str_make(r->country, 2));
    if (r->has_point)
        put_point(out, r);
}

static void
put_geoip2(struct buf *out, const struct record *r)
{
    put_map(out, r->has_point ? 2 : 1);
    put_string(out, STR("country"));
    put_map(out, 1);
    put_string(out, STR("iso_code"));
    put_string(out, str_make(r->country, 2));
    if (r->has_point) {
        put_string(out, STR("location"));
        put_map(out, 2);
        put_point(out, r);
    }
}

static void
put_records(struct mmdb_writer *w, struct buf *out)
{
    for (uint32_t i = 0; i < w->n_records; i++) {
        struct record *r = &w->records[i];

        r->offset = (uint32_t)buf_len(out);
        if (w->is_geoip2)
            put_geoip2(out, r);
        else
            put_flat(out, r);
    }
}

static void
put_node(struct buf *out, unsigned record_size, uint32_t left, uint32_t right)
{
    uint8_t bytes[8];

    if (record_size == 24) {
        for (unsigned i = 0; i < 3; i++) {
            bytes[i] = (uint8_t)(left >> (16 - 8 * i));
            bytes[3 + i] = (uint8_t)(right >> (16 - 8 * i));
        }
    } else if (record_size == 28) {
        for (unsigned i = 0; i < 3; i++) {
            bytes[i] = (uint8_t)(left >> (16 - 8 * i));
            bytes[4 + i] = (uint8_t)(right >> (16 - 8 * i));
        }
        bytes[3] = (uint8_t)((left >> 24 & 15) << 4 | (right >> 24 & 15));
    } else {
        for (unsigned i = 0; i < 4; i++) {
            bytes[i] = (uint8_t)(left >> (24 - 8 * i));
            bytes[4 + i] = (uint8_t)(right >> (24 - 8 * i));
        }
    }
    buf_append(out, bytes, record_size / 4);
}

static uint32_t
half_value(const struct layout *l, uint32_t half)
{
    if (half == EMPTY)
        return l->n;
    return half & DATA ? l->n + 16 + l->w->records[half & ~DATA].offset : l->number[half];
}

static void
put_metadata(struct buf *out, uint32_t n_nodes, unsigned record_size, uint64_t epoch, struct str type)
{
    buf_add(out, STR("\xab\xcd\xefMaxMind.com"));
    put_map(out, 9);
    put_string(out, STR("binary_format_major_version"));
    put_number(out, 5, 2, 2);
    put_string(out, STR("binary_format_minor_version"));
    put_number(out, 5, 0, 2);
    put_string(out, STR("build_epoch"));
    put_number(out, 9, epoch, 8);
    put_string(out, STR("database_type"));
    put_string(out, type);
    put_string(out, STR("description"));
    put_map(out, 1);
    put_string(out, STR("en"));
    put_string(out, type);
    put_string(out, STR("languages"));
    buf_putc(out, 1); /* an array of one; an empty one at the end is refused by some readers */
    buf_putc(out, 4);
    put_string(out, STR("en"));
    put_string(out, STR("node_count"));
    put_number(out, 6, n_nodes, 4);
    put_string(out, STR("record_size"));
    put_number(out, 5, record_size, 2);
    put_string(out, STR("ip_version"));
    put_number(out, 5, 6, 2);
}

void
mmdb_writer_write(struct mmdb_writer *w, uint64_t epoch, struct str type, struct buf *out)
{
    unsigned record_size = w->record_size;
    struct layout l = { .w = w };
    struct buf records = { 0 };
    uint64_t highest;

    assert(epoch > 0 && epoch <= INT64_MAX && type.len <= MMDB_TYPE_MAX);
    w->nodes[ROOT].half[0] = reduce(w, w->nodes[ROOT].half[0]);
    w->nodes[ROOT].half[1] = reduce(w, w->nodes[ROOT].half[1]);
    l.number = mem_array(w->n_nodes, sizeof(*l.number));
    l.order = mem_array(w->n_nodes, sizeof(*l.order));
    number_nodes(&l, ROOT);
    put_records(w, &records);
    highest = (uint64_t)l.n + 16 + buf_len(&records);
    assert(highest <= UINT32_MAX);
    while (record_size < 32 && highest >> record_size)
        record_size += 4;
    for (uint32_t i = 0; i < l.n; i++) {
        const struct node *node = &w->nodes[l.order[i]];

        put_node(out, record_size, half_value(&l, node->half[0]), half_value(&l, node->half[1]));
    }
    buf_append(out, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    if (buf_len(&records))
        buf_add(out, buf_str(&records));
    put_metadata(out, l.n, record_size, epoch, type);
    buf_fini(&records);
    mem_free(l.number);
    mem_free(l.order);
}
