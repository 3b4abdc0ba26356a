/* SPDX-License-Identifier: Apache-2.0
 *
 * What a geo database costs, and whether it answers what the text it was made from says.
 *   geo_bench FILE.mmdb [TEXT…]       TEXT: start,end,CC lines, as tor-geoipdb has them
 * Load and memory; then what a request pays for the place of its caller, special addresses and overrides looked at as well:
 * hot, the same few addresses over and over; mixed, a million different ones; cold, one
 * address when its part of the database was thrown out of all caches; cold_code, when all else was thrown out too, as after a pause.
 * With TEXT, the share of 10^6 random addresses that get the country of the text: exit code 1 when that is not all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/route/caller.h"
#include "test/bench/bench.h"

enum { HOT = 1000, HOT_LOOKUPS = 1000000, MIXED = 1000000, COLD_SAMPLES = 51, FLUSH_BYTES = 64 << 20 };

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

struct lookups {
    const struct world *world;
    const struct addr *list;
    unsigned n;
};

static void
look_up(void *arg, unsigned n)
{
    const struct lookups *l = arg;
    struct place p;

    for (unsigned i = 0, at = 0; i < n; i++, at = at + 1 < l->n ? at + 1 : 0)
        caller_place(l->world, &l->list[at], STR_NONE, &p);
}

/* More than the last cache holds, one write a line. */
static void
throw_out(uint8_t *flush, uint8_t value)
{
    for (size_t i = 0; i < FLUSH_BYTES; i += 64)
        flush[i] = value;
}

/* What two readings of a warm clock are apart. */
static double
clock_cost_ns(void)
{
    double least = 1e9, begin;

    for (unsigned i = 0; i < 1000; i++) {
        begin = bench_wall_ns();
        begin = bench_wall_ns() - begin;
        least = begin < least ? begin : least;
    }
    return least;
}

/* Each lookup alone is timed, after everything was thrown out; then the clock is warmed. Unless the code is to be cold as well,
 * another address is looked up before, which leads nowhere near. */
static void
look_up_cold(const char *name, const struct lookups *l, bool with_code)
{
    uint8_t *flush = mem_array(FLUSH_BYTES, 1);
    double values[COLD_SAMPLES], begin = 0, clock_ns = clock_cost_ns();
    struct place p;
    struct addr a;

    for (unsigned i = 0; i < COLD_SAMPLES; i++) {
        throw_out(flush, (uint8_t)i);
        a = l->list[i + COLD_SAMPLES];
        if (!with_code)
            caller_place(l->world, &a, STR_NONE, &p);
        a = l->list[i]; /* in hand, as one is that was read from a head */
        for (unsigned warm = 0; warm < 4; warm++)
            begin = bench_wall_ns();
        caller_place(l->world, &a, STR_NONE, &p);
        values[i] = bench_wall_ns() - begin - clock_ns;
    }
    bench_print(name, "ns", values, COLD_SAMPLES);
    mem_free(flush);
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

    for (unsigned i = 0; i < MIXED; i++) {
        struct addr inner = addr_unwrap(&list[i]);

        if (inner.family != list[i].family)
            tunnels++;
        else
            same += agrees(db, t, &list[i]);
    }
    printf("# %s: %u of %u answers are the text's\n", what, same, MIXED - tunnels);
    return same == MIXED - tunnels;
}

static void
measure(const struct world *w, const struct text *t, bool is_v6, const struct addr *mixed)
{
    struct addr *hot = draw_many(HOT, is_v6, t);
    struct lookups l = { w, hot, HOT };

    bench_time(is_v6 ? "geo.place.v6.hot" : "geo.place.v4.hot", look_up, &l, HOT_LOOKUPS);
    l = (struct lookups){ w, mixed, MIXED };
    bench_time(is_v6 ? "geo.place.v6.mixed" : "geo.place.v4.mixed", look_up, &l, MIXED);
    look_up_cold(is_v6 ? "geo.place.v6.cold" : "geo.place.v4.cold", &l, false);
    look_up_cold(is_v6 ? "geo.place.v6.cold_code" : "geo.place.v4.cold_code", &l, true);
    mem_free(hot);
}

/* Loaded over and over, and once more as a part of a whole configuration. */
static struct world *
load(struct str path)
{
    struct arena arena = { 0 };
    struct conf_issues issues = { .arena = &arena };
    const char *env[] = { "SEXTANT_CLUSTERS=eu http://127.0.0.1:1 at=DE", "SEXTANT_OVERRIDES=198.51.100.0/24=DE",
        arena_printf(&arena, "SEXTANT_GEO_DB=" STR_FMT, STR_ARG(path)).p, NULL };
    double values[BENCH_ROUNDS], megabytes, begin;
    struct world *w;
    char error[256];

    for (unsigned i = 0; i < BENCH_ROUNDS; i++) {
        struct geo_db *db;

        begin = bench_cpu_ns();
        db = geo_db_load(&path, 1, error, sizeof(error));
        values[i] = (bench_cpu_ns() - begin) / 1e6;
        if (!db) {
            fprintf(stderr, "geo_bench: %s\n", error);
            arena_fini(&arena);
            return NULL;
        }
        megabytes = (double)geo_db_memory(db) / 1e6;
        geo_db_free(db);
    }
    bench_print("geo.load", "ms", values, BENCH_ROUNDS);
    bench_print("geo.memory", "MB", &megabytes, 1);
    w = world_load((char **)(uintptr_t)env, 1, &issues);
    arena_fini(&arena);
    return w;
}

int
main(int argc, char **argv)
{
    struct text t = { 0 };
    struct world *w;
    bool ok = true;

    if (argc == 1 && access("build/country.mmdb", R_OK) != 0) {
        puts("# geo_bench: no build/country.mmdb (make geo makes it)");
        return 0;
    }
    w = load(str_from(argc > 1 ? argv[1] : "build/country.mmdb"));
    if (!w)
        return 2;
    for (int i = 2; i < argc; i++)
        read_text(argv[i], &t);
    for (int v6 = 0; v6 < 2; v6++) {
        struct addr *mixed = draw_many(MIXED, v6, &t);

        measure(w, &t, v6, mixed);
        if (argc > 2)
            ok = compare(w->geo, &t, v6 ? "IPv6" : "IPv4", mixed) && ok;
        mem_free(mixed);
    }
    mem_free(t.v4);
    mem_free(t.v6);
    world_unref(w);
    return ok ? 0 : 1;
}
