/* SPDX-License-Identifier: Apache-2.0
 *
 * What a geo database costs, and whether it answers what the text it was made from says.
 *   geo_bench FILE.mmdb [TEXT…]       TEXT: start,end,CC lines, as tor-geoipdb has them
 * Prints load time, memory, nanoseconds per lookup of the same few addresses (hot) and of many random ones (cold), for both
 * families, and the share of 10^6 random addresses that get the country of the text. Exit code 1 when that is not all.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "geoip/geo_db.h"
#include "proxy/base/buf.h"
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"

enum { HOT = 20000, COLD = 1000000, HOT_ROUNDS = 100 };

struct range {
    uint8_t from[16], to[16];
    char country[2];
};

struct text {
    struct range *v4, *v6;
    size_t n_v4, n_v6, cap_v4, cap_v6;
};

static uint64_t state = 88172645463325252ULL;

static uint64_t
draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static bool
parse_address(struct str s, struct addr *ret_addr)
{
    uint64_t n;

    if (!str_to_u64(s, &n))
        return addr_parse(s, ret_addr);
    *ret_addr = (struct addr){ .family = 4,
        .bytes = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
    return true;
}

static void
add_range(
    struct range **list, size_t *n, size_t *cap, const struct addr *from, const struct addr *to, struct str country)
{
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 1024;
        *list = mem_grow(*list, *cap * sizeof(**list));
    }
    memcpy((*list)[*n].from, from->bytes, 16);
    memcpy((*list)[*n].to, to->bytes, 16);
    memcpy((*list)[(*n)++].country, country.p, 2);
}

static void
read_text(const char *path, struct text *t)
{
    FILE *f = fopen(path, "re");
    char line[256];

    if (!f) {
        perror(path);
        exit(2);
    }
    while (fgets(line, sizeof(line), f)) {
        struct str first, second, rest = str_trim(str_from(line));
        struct addr from, to;

        str_cut(rest, ',', &first, &rest);
        str_cut(rest, ',', &second, &rest);
        if (rest.len != 2 || !parse_address(first, &from) || !parse_address(second, &to))
            continue;
        if (from.family == 4)
            add_range(&t->v4, &t->n_v4, &t->cap_v4, &from, &to, rest);
        else
            add_range(&t->v6, &t->n_v6, &t->cap_v6, &from, &to, rest);
    }
    fclose(f);
}

/* What the text says of an address: its ranges are sorted and do not overlap. */
static const struct range *
find_range(const struct range *list, size_t n, const struct addr *a)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (memcmp(list[middle].to, a->bytes, 16) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && memcmp(list[low].from, a->bytes, 16) <= 0 ? &list[low] : NULL;
}

static struct addr
draw_v4(void)
{
    uint64_t r = draw();

    return (struct addr){ .family = 4,
        .bytes = { (uint8_t)(r >> 40), (uint8_t)(r >> 32), (uint8_t)(r >> 24), (uint8_t)(r >> 16) } };
}

/* Inside what is given out when the text is known (elsewhere nearly all of IPv6 is empty), else under 2000::/3. */
static struct addr
draw_v6(const struct text *t)
{
    struct addr a = { .family = 6 };
    uint64_t bits[2] = { draw(), draw() };

    memcpy(a.bytes, bits, 16);
    a.bytes[0] = (uint8_t)(0x20 | (a.bytes[0] & 0x1f));
    if (t->n_v6) {
        const struct range *r = &t->v6[draw() % t->n_v6];
        unsigned i = 0;

        while (i < 16 && r->from[i] == r->to[i]) {
            a.bytes[i] = r->from[i];
            i++;
        }
        if (i < 16 && r->to[i] > r->from[i])
            a.bytes[i] = (uint8_t)(r->from[i] + draw() % (unsigned)(r->to[i] - r->from[i] + 1));
    }
    return a;
}

static struct addr *
draw_many(unsigned n, bool is_v6, const struct text *t)
{
    struct addr *list = mem_array(n, sizeof(*list));

    for (unsigned i = 0; i < n; i++)
        list[i] = is_v6 ? draw_v6(t) : draw_v4();
    return list;
}

static double
time_lookups(const struct geo_db *db, const struct addr *list, unsigned n, unsigned rounds)
{
    struct place p = { .source = PLACE_NONE };
    uint64_t known = 0;
    int64_t start = clock_mono_us();

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < n; i++)
            known += geo_db_lookup(db, &list[i], &p);
    }
    assert(known <= (uint64_t)n * rounds);
    return (double)(clock_mono_us() - start) * 1000 / ((double)n * rounds);
}

static bool
agrees(const struct geo_db *db, const struct text *t, const struct addr *a)
{
    const struct range *r = a->family == 4 ? find_range(t->v4, t->n_v4, a) : find_range(t->v6, t->n_v6, a);
    struct place p = { .country = "" };
    bool expected = r && country_is_known(r->country);

    geo_db_lookup(db, a, &p);
    return expected ? memcmp(p.country, r->country, 2) == 0 : p.country[0] == '\0';
}

static bool
compare(const struct geo_db *db, const struct text *t, const char *what, const struct addr *list)
{
    unsigned same = 0, tunnels = 0;

    for (unsigned i = 0; i < COLD; i++) {
        struct addr inner = addr_unwrap(&list[i]);

        if (inner.family != list[i].family)
            tunnels++;
        else
            same += agrees(db, t, &list[i]);
    }
    printf("%s: %u of %u answers are the text's\n", what, same, COLD - tunnels);
    return same == COLD - tunnels;
}

int
main(int argc, char **argv)
{
    struct text t = { 0 };
    struct str path = str_from(argc > 1 ? argv[1] : "build/country.mmdb");
    char error[256];
    int64_t start = clock_mono_us();
    struct geo_db *db = geo_db_load(&path, 1, error, sizeof(error));
    bool ok = true;

    if (!db) {
        fprintf(stderr, "geo_bench: %s%s\n", error, argc > 1 ? "" : " (make geo makes it)");
        return argc > 1 ? 2 : 0;
    }
    printf("load: %.0f ms, %.1f MB\n", (double)(clock_mono_us() - start) / 1000, (double)geo_db_memory(db) / 1e6);
    for (int i = 2; i < argc; i++)
        read_text(argv[i], &t);
    for (int v6 = 0; v6 < 2; v6++) {
        struct addr *hot = draw_many(HOT, v6, &t), *cold = draw_many(COLD, v6, &t);
        double hot_ns, cold_ns = time_lookups(db, cold, COLD, 1);

        hot_ns = time_lookups(db, hot, HOT, HOT_ROUNDS);
        printf("IPv%d: hot %.1f ns, cold %.1f ns\n", v6 ? 6 : 4, hot_ns, cold_ns);
        if (argc > 2)
            ok = compare(db, &t, v6 ? "IPv6" : "IPv4", cold) && ok;
        mem_free(hot);
        mem_free(cold);
    }
    mem_free(t.v4);
    mem_free(t.v6);
    geo_db_free(db);
    return ok ? 0 : 1;
}
