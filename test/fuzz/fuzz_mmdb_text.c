/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the writer's text. What it takes makes a file that loads, and in which each line's first and last address say
 * what the last line that has them says.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "geoip/geo_db.h"
#include "geoip/mmdb_writer.h"

enum { LINES_MAX = 64 };

struct line {
    struct addr from, to;
    char country[2];
};

static bool
parse_address(struct str s, struct addr *ret_addr)
{
    uint64_t n;

    if (!str_to_u64(s, &n) || n > UINT32_MAX)
        return addr_parse(s, ret_addr);
    *ret_addr = (struct addr){ .family = 4,
        .bytes = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
    return true;
}

/* The model of a line that the writer has taken. */
static struct line
read_line(struct str text)
{
    struct line line;
    struct str first, rest, second;
    struct cidr net;

    str_cut(text, ',', &first, &rest);
    if (str_find(first, '/') >= 0) {
        bool ok = cidr_parse(str_trim(first), &net);

        assert(ok);
        line.from = line.to = net.base;
        for (unsigned bit = net.bits; bit < (net.base.family == 4 ? 32U : 128U); bit++)
            line.to.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    } else {
        bool ok = parse_address(str_trim(first), &line.from);

        str_cut(rest, ',', &second, &rest);
        ok = parse_address(str_trim(second), &line.to) && ok;
        assert(ok);
    }
    rest = str_trim(rest);
    for (unsigned i = 0; i < 2; i++)
        line.country[i] = (char)(rest.p[i] >= 'a' && rest.p[i] <= 'z' ? rest.p[i] - 32 : rest.p[i]);
    return line;
}

static unsigned
read_lines(struct str text, struct line lines[LINES_MAX])
{
    unsigned n = 0;

    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_skip(text, 3);
    while (text.len && n < LINES_MAX) {
        struct str one, comment;

        str_cut(text, '\n', &one, &text);
        str_cut(one, '#', &one, &comment);
        if (str_trim(one).len)
            lines[n++] = read_line(str_trim(one));
    }
    return text.len ? 0 : n;
}

static void
check(const struct geo_db *db, const struct line *lines, unsigned n, const struct addr *a)
{
    struct addr inner = addr_unwrap(a);
    struct place p = { .country = "" };
    const char *wanted = NULL;

    for (unsigned i = 0; i < n; i++) {
        if (lines[i].from.family == inner.family && memcmp(lines[i].from.bytes, inner.bytes, 16) <= 0 &&
            memcmp(inner.bytes, lines[i].to.bytes, 16) <= 0)
            wanted = lines[i].country;
    }
    geo_db_lookup(db, a, &p);
    if (wanted && country_is_known(wanted))
        assert(memcmp(p.country, wanted, 2) == 0);
    else
        assert(p.country[0] == '\0');
}

static struct geo_db *
load(struct str bytes)
{
    char name[64], error[256] = "";
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct str path;
    struct geo_db *db;

    assert(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, bytes.p, bytes.len) == (ssize_t)bytes.len);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    path = str_from(name);
    db = geo_db_load(&path, 1, error, sizeof(error));
    assert(db);
    close(fd);
    return db;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct mmdb_writer *w = mmdb_writer_new();
    struct line lines[LINES_MAX];
    const char *error = NULL;
    unsigned bad_line = 0;

    if (mmdb_writer_add(w, text, &bad_line, &error)) {
        unsigned n = read_lines(text, lines);
        struct buf bytes = { 0 };
        struct geo_db *db;

        mmdb_writer_set_record_size(w, size % 3 == 0 ? 28 : 24);
        mmdb_writer_write(w, 1, STR("Fuzz"), &bytes);
        db = load(buf_str(&bytes));
        for (unsigned i = 0; i < n; i++) {
            check(db, lines, n, &lines[i].from);
            check(db, lines, n, &lines[i].to);
        }
        geo_db_free(db);
        buf_fini(&bytes);
    } else {
        assert(error && bad_line >= 1);
    }
    mmdb_writer_free(w);
    return 0;
}
