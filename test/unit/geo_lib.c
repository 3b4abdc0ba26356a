/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/geo_lib.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/base/mem.h"

/* --- values ------------------------------------------------------------------------------------------------------ */

static void
put_big_endian(struct buf *out, uint64_t value, unsigned bytes)
{
    while (bytes-- > 0)
        buf_putc(out, (char)(value >> (bytes * 8)));
}

static void
put_control(struct buf *out, unsigned type, uint32_t size)
{
    unsigned more = size < 29 ? 0 : size < 285 ? 1 : size < 65821 ? 2 : 3;
    static const uint32_t base[] = { 0, 29, 285, 65821 };
    unsigned low = more ? 28 + more : size;

    buf_putc(out, (char)(type < 8 ? type << 5 | low : low));
    if (type >= 8)
        buf_putc(out, (char)(type - 7));
    put_big_endian(out, size - base[more], more);
}

static void
put_pointer(struct buf *out, uint32_t to)
{
    if (to < 2048) {
        buf_putc(out, (char)(0x20 | to >> 8));
        buf_putc(out, (char)to);
    } else {
        buf_putc(out, 0x38);
        put_big_endian(out, to, 4);
    }
}

static void put_value(const char **at, struct buf *shared, struct buf *out);

static void
put_container(const char **at, struct buf *shared, struct buf *out)
{
    bool is_map = *(*at)++ == '{';
    char end = is_map ? '}' : ']';
    struct buf content = { 0 };
    uint32_t n = 0;

    for (; **at != end; n++) {
        size_t key = strcspn(*at, "=");

        if (is_map) {
            put_control(&content, 2, (uint32_t)key);
            buf_append(&content, *at, key);
            *at += key + 1;
        }
        put_value(at, shared, &content);
        *at += **at == ',';
    }
    (*at)++;
    put_control(out, is_map ? 7 : 11, n);
    buf_add(out, buf_str(&content));
    buf_fini(&content);
}

static void
put_text(const char **at, struct buf *out)
{
    size_t n = strcspn(++*at, "'");

    put_control(out, 2, (uint32_t)n);
    buf_append(out, *at, n);
    *at += n + 1;
}

static void
put_bytes(const char **at, struct buf *out)
{
    for (++*at; isxdigit((unsigned char)(*at)[0]) && isxdigit((unsigned char)(*at)[1]); *at += 2) {
        char pair[3] = { (*at)[0], (*at)[1], '\0' };

        buf_putc(out, (char)strtoul(pair, NULL, 16));
    }
}

static void
put_number(const char **at, struct buf *out)
{
    char kind = *(*at)++, *end;
    double number = strtod(*at, &end);
    float single = (float)number;
    uint64_t bits;
    uint32_t bits32;

    *at = end;
    memcpy(&bits, &number, 8);
    memcpy(&bits32, &single, 4);
    put_control(out,
        kind == 'd'   ? 3
        : kind == 'f' ? 15
        : kind == 'u' ? 5
        : kind == 'w' ? 6
        : kind == 'q' ? 9
        : kind == 'i' ? 8
                      : 14,
        kind == 'd' || kind == 'q' ? 8
        : kind == 'u'              ? 2
        : kind == 'b'              ? (uint32_t)number
                                   : 4);
    if (kind == 'd' || kind == 'f')
        put_big_endian(out, kind == 'd' ? bits : bits32, kind == 'd' ? 8 : 4);
    else if (kind != 'b')
        put_big_endian(out, (uint64_t)(int64_t)number, kind == 'q' ? 8 : kind == 'u' ? 2 : 4);
}

static void
put_value(const char **at, struct buf *shared, struct buf *out)
{
    struct buf value = { 0 };

    if (**at == '{' || **at == '[') {
        put_container(at, shared, out);
    } else if (**at == '\'') {
        put_text(at, out);
    } else if (**at == 'x') {
        put_bytes(at, out);
    } else if (**at == '*') {
        ++*at;
        put_value(at, shared, &value);
        put_pointer(out, (uint32_t)buf_len(shared));
        buf_add(shared, buf_str(&value));
        buf_fini(&value);
    } else {
        assert(strchr("dfuwqib", **at));
        put_number(at, out);
    }
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

void
geo_fixture_init(struct geo_fixture *f, unsigned ip_version, unsigned record_size)
{
    *f = (struct geo_fixture){ .ip_version = ip_version, .record_size = record_size };
    geo_fixture_node(f);
}

void
geo_fixture_fini(struct geo_fixture *f)
{
    buf_fini(&f->records);
    mem_free(f->nodes);
}

uint32_t
geo_fixture_record(struct geo_fixture *f, const char *text)
{
    struct buf value = { 0 };
    uint32_t offset;

    put_value(&text, &f->records, &value);
    assert(*text == '\0');
    offset = (uint32_t)buf_len(&f->records);
    buf_add(&f->records, buf_str(&value));
    buf_fini(&value);
    return offset;
}

uint32_t
geo_fixture_node(struct geo_fixture *f)
{
    f->nodes = mem_grow(f->nodes, (f->n_nodes + 1) * sizeof(*f->nodes));
    f->nodes[f->n_nodes][0] = f->nodes[f->n_nodes][1] = GEO_LIB_EMPTY;
    return f->n_nodes++;
}

/* The node over the last bit of a network, and that bit. */
static uint32_t
descend(struct geo_fixture *f, const char *network, unsigned *ret_bit)
{
    struct cidr net;
    uint8_t key[16] = { 0 };
    unsigned bits, at = 0;
    bool ok = cidr_parse(str_from(network), &net);

    assert(ok);
    bits = net.bits;
    if (net.base.family == 4 && f->ip_version == 6) {
        memcpy(key + 12, net.base.bytes, 4);
        bits += 96;
    } else {
        memcpy(key, net.base.bytes, 16);
    }
    assert(bits > 0);
    for (unsigned i = 0; i + 1 < bits; i++) {
        unsigned bit = key[i / 8] >> (7 - i % 8) & 1;
        uint32_t next = f->nodes[at][bit];

        if (next >= GEO_LIB_DATA) {
            next = geo_fixture_node(f);
            f->nodes[next][0] = f->nodes[next][1] = f->nodes[at][bit];
            f->nodes[at][bit] = next;
        }
        at = next;
    }
    *ret_bit = key[(bits - 1) / 8] >> (7 - (bits - 1) % 8) & 1;
    return at;
}

void
geo_fixture_network(struct geo_fixture *f, const char *network, uint32_t half)
{
    unsigned bit;
    uint32_t at = descend(f, network, &bit);

    f->nodes[at][bit] = half;
}

void
geo_fixture_add(struct geo_fixture *f, const char *network, const char *record)
{
    geo_fixture_network(f, network, GEO_LIB_DATA | geo_fixture_record(f, record));
}

uint32_t
geo_fixture_node_at(struct geo_fixture *f, const char *network)
{
    unsigned bit;
    uint32_t at = descend(f, network, &bit);

    if (f->nodes[at][bit] == GEO_LIB_EMPTY) {
        uint32_t node = geo_fixture_node(f);

        f->nodes[at][bit] = node;
    }
    return f->nodes[at][bit];
}

static void
put_node(const struct geo_fixture *f, uint64_t left, uint64_t right, struct buf *out)
{
    unsigned whole = f->record_size / 8;

    put_big_endian(out, left, whole);
    if (f->record_size == 28)
        buf_putc(out, (char)((left >> 24 & 15) << 4 | (right >> 24 & 15)));
    put_big_endian(out, right, whole);
}

void
geo_fixture_write(const struct geo_fixture *f, struct buf *out)
{
    char usual[512];
    const char *metadata = f->metadata ? f->metadata : usual;
    struct buf shared = { 0 };

    for (uint32_t i = 0; i < f->n_nodes; i++) {
        uint64_t halves[2];

        for (unsigned b = 0; b < 2; b++) {
            uint32_t half = f->nodes[i][b];

            halves[b] = half == GEO_LIB_EMPTY ? f->n_nodes
                        : half & GEO_LIB_DATA ? f->n_nodes + 16 + (half & ~GEO_LIB_DATA)
                                              : half;
        }
        put_node(f, i == 0 && f->raw_half ? f->raw_half : halves[0], halves[1], out);
    }
    buf_append(out, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    buf_add(out, buf_str(&f->records));
    buf_add(out, STR("\xab\xcd\xefMaxMind.com"));
    snprintf(usual, sizeof(usual),
        "{node_count=w%u,record_size=u%u,ip_version=u%u,binary_format_major_version=u2,binary_format_minor_version=u0,"
        "build_epoch=q1750000000,database_type='Test',languages=['en','de'],description={en='made up'}}",
        f->n_nodes, f->record_size, f->ip_version);
    put_value(&metadata, &shared, out);
    buf_fini(&shared);
}

struct str
geo_lib_file(struct str bytes)
{
    char *path = mem_dup("/tmp/geo-test-XXXXXX", 20);
    int fd = mkstemp(path);

    assert(fd >= 0);
    while (bytes.len) {
        ssize_t n = write(fd, bytes.p, bytes.len);

        assert(n > 0);
        bytes = str_skip(bytes, (size_t)n);
    }
    close(fd);
    return str_from(path);
}

void
geo_lib_drop(struct str path)
{
    unlink(path.p);
    mem_free((void *)(uintptr_t)path.p);
}

struct geo_db *
geo_lib_load(struct str bytes, char *error, size_t error_size)
{
    struct str path = geo_lib_file(bytes);
    struct geo_db *db = geo_db_load(&path, 1, error, error_size);

    geo_lib_drop(path);
    return db;
}

struct geo_db *
geo_fixture_load(const struct geo_fixture *f, char *error, size_t error_size)
{
    struct buf bytes = { 0 };
    struct geo_db *db;

    geo_fixture_write(f, &bytes);
    db = geo_lib_load(buf_str(&bytes), error, error_size);
    buf_fini(&bytes);
    return db;
}

struct addr
geo_lib_addr(const char *text)
{
    struct addr a = { .family = 0 };
    bool ok = addr_parse(str_from(text), &a);

    assert(ok);
    return a;
}
