/* SPDX-License-Identifier: Apache-2.0
 *
 * A binary trie over 128 bits, IPv4 at ::/96. Ranges are cut into networks, networks put in one after another; equal halves
 * are merged when written, so the file holds as few nodes as the data needs.
 */
#include "geoip/mmdb_writer.h"

#include <assert.h>
#include <string.h>

#include "proxy/base/addr.h"
#include "proxy/base/mem.h"

#define DATA UINT32_C(0x80000000)
enum { EMPTY = 0, ROOT = 1 }; /* node 0 is not used, so that 0 can be "nothing" */

struct node {
    uint32_t half[2]; /* EMPTY, a node, or DATA | record index */
};

struct record {
    char country[2];
    bool has_point;
    double lat, lon;
    uint32_t offset; /* when written */
};

struct mmdb_writer {
    struct node *nodes;
    uint32_t n_nodes, cap_nodes;
    struct record *records;
    uint32_t n_records, cap_records;
    uint32_t recent[65536]; /* record index + 1 by country, for records without a point */
};

static uint32_t
add_node(struct mmdb_writer *w, uint32_t fill)
{
    if (w->n_nodes == w->cap_nodes) {
        w->cap_nodes = w->cap_nodes ? w->cap_nodes * 2 : 4096;
        w->nodes = mem_grow(w->nodes, w->cap_nodes * sizeof(*w->nodes));
    }
    w->nodes[w->n_nodes] = (struct node){ { fill, fill } };
    return w->n_nodes++;
}

struct mmdb_writer *
mmdb_writer_new(void)
{
    struct mmdb_writer *w = MEM_NEW(struct mmdb_writer);

    add_node(w, EMPTY);
    add_node(w, EMPTY);
    return w;
}

void
mmdb_writer_free(struct mmdb_writer *w)
{
    if (!w)
        return;
    mem_free(w->nodes);
    mem_free(w->records);
    mem_free(w);
}

static unsigned
bit_of(const uint8_t key[16], unsigned bit)
{
    return key[bit / 8] >> (7 - bit % 8) & 1;
}

static void
put_network(struct mmdb_writer *w, const uint8_t key[16], unsigned bits, uint32_t value)
{
    uint32_t at = ROOT;

    assert(bits > 0);
    for (unsigned i = 0; i + 1 < bits; i++) {
        unsigned b = bit_of(key, i);
        uint32_t next = w->nodes[at].half[b];

        if (next == EMPTY || next & DATA) {
            next = add_node(w, next);
            w->nodes[at].half[b] = next;
        }
        at = next;
    }
    w->nodes[at].half[bit_of(key, bits - 1)] = value;
}

/* --- text -------------------------------------------------------------------------------------------------------- */

static bool
parse_address(struct str text, struct addr *ret_addr)
{
    uint64_t number;

    if (str_to_u64(text, &number) && number <= UINT32_MAX) {
        *ret_addr = (struct addr){ .family = 4,
            .bytes = { (uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number } };
        return true;
    }
    return addr_parse(text, ret_addr);
}

static void
to_key(const struct addr *a, uint8_t key[16])
{
    memset(key, 0, 16);
    if (a->family == 4)
        memcpy(key + 12, a->bytes, 4);
    else
        memcpy(key, a->bytes, 16);
}

/* Trailing zero bits of a key. */
static unsigned
zeros(const uint8_t key[16])
{
    unsigned n = 0;

    while (n < 128 && bit_of(key, 127 - n) == 0)
        n++;
    return n;
}

/* key with its last n bits set. */
static void
last_of(const uint8_t key[16], unsigned n, uint8_t ret_last[16])
{
    memcpy(ret_last, key, 16);
    for (unsigned i = 0; i < n; i++)
        ret_last[15 - i / 8] |= (uint8_t)(1U << i % 8);
}

static bool
increment(uint8_t key[16])
{
    for (int i = 15; i >= 0; i--) {
        if (++key[i])
            return true;
    }
    return false;
}

static void
put_range(struct mmdb_writer *w, uint8_t start[16], const uint8_t end[16], uint32_t value)
{
    uint8_t last[16];

    for (;;) {
        unsigned n = zeros(start);

        for (n = n > 127 ? 127 : n;; n--) {
            last_of(start, n, last);
            if (memcmp(last, end, 16) <= 0)
                break;
        }
        put_network(w, start, 128 - n, value);
        if (memcmp(last, end, 16) >= 0)
            return;
        memcpy(start, last, 16);
        if (!increment(start))
            return;
    }
}

static uint32_t
record_of(struct mmdb_writer *w, const struct record *r)
{
    uint32_t *recent = &w->recent[(uint32_t)(unsigned char)r->country[0] << 8 | (unsigned char)r->country[1]];

    if (!r->has_point && *recent)
        return *recent - 1;
    if (w->n_records == w->cap_records) {
        w->cap_records = w->cap_records ? w->cap_records * 2 : 256;
        w->records = mem_grow(w->records, w->cap_records * sizeof(*w->records));
    }
    w->records[w->n_records] = *r;
    if (!r->has_point)
        *recent = w->n_records + 1;
    return w->n_records++;
}

static const char *
parse_record(struct str country, struct str rest, struct record *ret_record)
{
    struct str lat, lon;
    struct record r = { .country = "" };

    country = str_trim(country);
    if (country.len != 2)
        return "expected a two-letter country";
    memcpy(r.country, country.p, 2);
    if (str_trim(rest).len) {
        str_cut(rest, ',', &lat, &lon);
        if (!str_to_double(str_trim(lat), &r.lat) || !str_to_double(str_trim(lon), &r.lon))
            return "expected latitude and longitude";
        r.has_point = true;
    }
    *ret_record = r;
    return NULL;
}

static const char *
add_network(struct mmdb_writer *w, struct str network, struct str rest)
{
    struct str country;
    struct record r;
    struct cidr net;
    uint8_t key[16];
    const char *error;

    if (!cidr_parse(str_trim(network), &net))
        return "not a network";
    str_cut(rest, ',', &country, &rest);
    error = parse_record(country, rest, &r);
    if (error)
        return error;
    to_key(&net.base, key);
    if (net.bits + (net.base.family == 4 ? 96 : 0) == 0)
        return "a network of everything is not taken";
    put_network(w, key, net.bits + (net.base.family == 4 ? 96U : 0U), DATA | record_of(w, &r));
    return NULL;
}

static const char *
add_line(struct mmdb_writer *w, struct str line)
{
    struct str first, second, country, rest;
    struct addr from, to;
    struct record r;
    uint8_t start[16], end[16];
    const char *error;

    str_cut(line, ',', &first, &rest);
    if (str_find(first, '/') >= 0)
        return add_network(w, first, rest);
    str_cut(rest, ',', &second, &rest);
    str_cut(rest, ',', &country, &rest);
    if (!parse_address(str_trim(first), &from) || !parse_address(str_trim(second), &to) || from.family != to.family)
        return "not a range of addresses";
    error = parse_record(country, rest, &r);
    if (error)
        return error;
    to_key(&from, start);
    to_key(&to, end);
    if (memcmp(start, end, 16) > 0)
        return "the range ends before it begins";
    put_range(w, start, end, DATA | record_of(w, &r));
    return NULL;
}

bool
mmdb_writer_add(struct mmdb_writer *w, struct str text, unsigned *ret_line, const char **ret_error)
{
    for (unsigned line = 1; text.len; line++) {
        struct str one;
        const char *error;

        str_cut(text, '\n', &one, &text);
        one = str_trim(one);
        if (one.len == 0 || one.p[0] == '#')
            continue;
        error = add_line(w, one);
        if (error) {
            *ret_line = line;
            *ret_error = error;
            return false;
        }
    }
    return true;
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

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
put_records(struct mmdb_writer *w, struct buf *out)
{
    for (uint32_t i = 0; i < w->n_records; i++) {
        struct record *r = &w->records[i];

        r->offset = (uint32_t)buf_len(out);
        buf_putc(out, (char)(0xe0 | (r->has_point ? 3 : 1)));
        put_string(out, STR("country_code"));
        put_string(out, str_make(r->country, 2));
        if (!r->has_point)
            continue;
        put_string(out, STR("latitude"));
        put_double(out, r->lat);
        put_string(out, STR("longitude"));
        put_double(out, r->lon);
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
    buf_putc(out, (char)(0xe0 | 9));
    put_string(out, STR("binary_format_major_version"));
    put_number(out, 5, 2, 2);
    put_string(out, STR("binary_format_minor_version"));
    put_number(out, 5, 0, 2);
    put_string(out, STR("build_epoch"));
    put_number(out, 9, epoch, 8);
    put_string(out, STR("database_type"));
    put_string(out, type);
    put_string(out, STR("description"));
    buf_putc(out, (char)(0xe0 | 1));
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
    struct layout l = { .w = w };
    struct buf records = { 0 };
    uint64_t highest;
    unsigned record_size;

    w->nodes[ROOT].half[0] = reduce(w, w->nodes[ROOT].half[0]);
    w->nodes[ROOT].half[1] = reduce(w, w->nodes[ROOT].half[1]);
    l.number = mem_array(w->n_nodes, sizeof(*l.number));
    l.order = mem_array(w->n_nodes, sizeof(*l.order));
    number_nodes(&l, ROOT);
    put_records(w, &records);
    highest = (uint64_t)l.n + 16 + buf_len(&records);
    record_size = highest < 1 << 24 ? 24 : highest < 1 << 28 ? 28 : 32;
    for (uint32_t i = 0; i < l.n; i++) {
        const struct node *node = &w->nodes[l.order[i]];

        put_node(out, record_size, half_value(&l, node->half[0]), half_value(&l, node->half[1]));
    }
    buf_append(out, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    buf_add(out, buf_str(&records));
    put_metadata(out, l.n, record_size, epoch, type);
    buf_fini(&records);
    mem_free(l.number);
    mem_free(l.order);
}
