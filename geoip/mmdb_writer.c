/* SPDX-License-Identifier: Apache-2.0
 *
 * From lines to a binary trie over 128 bits, IPv4 at ::/96. Ranges are cut into networks, networks put in one after another.
 * Records that say the same are one. mmdb_writer_file.c writes it out.
 */
#include "geoip/mmdb_writer_impl.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "proxy/base/addr.h"
#include "proxy/base/mem.h"

static uint32_t
add_node(struct mmdb_writer *w, uint32_t fill)
{
    if (w->n_nodes == w->cap_nodes) {
        w->cap_nodes = w->cap_nodes ? w->cap_nodes * 2 : 4096;
        assert(w->cap_nodes < DATA);
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
    w->record_size = 24;
    return w;
}

void
mmdb_writer_set_record_size(struct mmdb_writer *w, unsigned bits)
{
    assert(bits == 24 || bits == 28 || bits == 32);
    w->record_size = bits;
}

void
mmdb_writer_set_geoip2(struct mmdb_writer *w)
{
    w->is_geoip2 = true;
}

void
mmdb_writer_free(struct mmdb_writer *w)
{
    if (!w)
        return;
    mem_free(w->nodes);
    mem_free(w->records);
    mem_free(w->table);
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

static const uint8_t ipv4_at[12] = { 0 };
static const char no_ipv6_there[] = "IPv6 addresses below ::1:0:0 can't be told from IPv4";

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

        for (n = n > 32 && !memcmp(start, ipv4_at, 12) ? 32 : n;; n--) {
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

static bool
is_same(const struct record *a, const struct record *b)
{
    return memcmp(a->country, b->country, 2) == 0 && a->has_point == b->has_point &&
           memcmp(&a->lat, &b->lat, sizeof(a->lat)) == 0 && memcmp(&a->lon, &b->lon, sizeof(a->lon)) == 0;
}

/* Where a record stands in the table, or would. */
static uint32_t *
find_record(struct mmdb_writer *w, const struct record *r)
{
    uint32_t mask = w->cap_records * 2 - 1;
    uint64_t hash = (uint64_t)(unsigned char)r->country[0] << 8 | (unsigned char)r->country[1], bits;

    memcpy(&bits, &r->lat, sizeof(bits));
    hash = (hash ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(&bits, &r->lon, sizeof(bits));
    hash = (hash ^ bits) * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = (uint32_t)(hash >> 32) & mask;; i = (i + 1) & mask) {
        if (w->table[i] == 0 || is_same(&w->records[w->table[i] - 1], r))
            return &w->table[i];
    }
}

static void
grow_records(struct mmdb_writer *w)
{
    w->cap_records = w->cap_records ? w->cap_records * 2 : 256;
    assert(w->cap_records < DATA / 2);
    w->records = mem_grow(w->records, w->cap_records * sizeof(*w->records));
    mem_free(w->table);
    w->table = mem_array((size_t)w->cap_records * 2, sizeof(*w->table));
    for (uint32_t i = 0; i < w->n_records; i++)
        *find_record(w, &w->records[i]) = i + 1;
}

/* What a network gets: the one record that says this, or nothing. */
static uint32_t
value_of(struct mmdb_writer *w, const struct record *r)
{
    uint32_t *slot;

    if (r->country[0] == '?')
        return EMPTY;
    if (w->n_records == w->cap_records)
        grow_records(w);
    slot = find_record(w, r);
    if (*slot == 0) {
        w->records[w->n_records++] = *r;
        *slot = w->n_records;
    }
    return DATA | (*slot - 1);
}

static bool
is_country_code(struct str s)
{
    bool is_letters = s.len == 2;

    for (size_t i = 0; i < s.len; i++)
        is_letters = is_letters && ((s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= 'a' && s.p[i] <= 'z'));
    return is_letters || str_eq(s, STR("??"));
}

static const char *
parse_record(struct str country, struct str rest, struct record *ret_record)
{
    struct str lat, lon;
    struct record r = { .country = "" };

    country = str_trim(country);
    if (!is_country_code(country))
        return "expected a two-letter country";
    memcpy(r.country, country.p, 2);
    if (str_trim(rest).len) {
        str_cut(rest, ',', &lat, &lon);
        if (!str_to_double(str_trim(lat), &r.lat) || !str_to_double(str_trim(lon), &r.lon))
            return "expected latitude and longitude";
        if (fabs(r.lat) > 90 || fabs(r.lon) > 180)
            return "latitude is at most 90, longitude at most 180";
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
        return "not a network (the bits past its length must be zero)";
    str_cut(rest, ',', &country, &rest);
    error = parse_record(country, rest, &r);
    if (error)
        return error;
    to_key(&net.base, key);
    if (net.base.family == 6 && memcmp(key, ipv4_at, 12) == 0)
        return no_ipv6_there;
    put_network(w, key, net.bits + (net.base.family == 4 ? 96U : 0U), value_of(w, &r));
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
    if (from.family == 6 && memcmp(start, ipv4_at, 12) == 0)
        return no_ipv6_there;
    put_range(w, start, end, value_of(w, &r));
    return NULL;
}

bool
mmdb_writer_add(struct mmdb_writer *w, struct str text, unsigned *ret_line, const char **ret_error)
{
    if (str_starts(text, STR("\xef\xbb\xbf"))) /* a byte order mark */
        text = str_skip(text, 3);
    for (unsigned line = 1; text.len; line++) {
        struct str one, comment;
        const char *error;

        str_cut(text, '\n', &one, &text);
        str_cut(one, '#', &one, &comment);
        one = str_trim(one);
        if (one.len == 0)
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
