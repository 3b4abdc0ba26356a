/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/area_set.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

static unsigned
country_bit(const char code[2])
{
    return (unsigned)(code[0] - 'A') * 26 + (unsigned)(code[1] - 'A');
}

void
area_set_add_country(struct area_set *set, const char code[2])
{
    unsigned bit = country_bit(code);

    assert(country_is_known(code));
    set->countries[bit / 64] |= UINT64_C(1) << bit % 64;
}

void
area_set_add_continent(struct area_set *set, enum continent c)
{
    struct place point;

    set->continents |= (uint8_t)(1U << c);
    for (unsigned i = 0; i < 26 * 26; i++) {
        char code[2] = { (char)('A' + i / 26), (char)('A' + i % 26) };

        if (country_point(code, &point) && point.continent == c)
            area_set_add_country(set, code);
    }
}

void
area_set_add_network(struct area_set *set, struct cidr net, struct arena *arena)
{
    if (set->n_cidrs == set->cap_cidrs) {
        struct cidr *grown = ARENA_ARRAY(arena, set->cap_cidrs ? set->cap_cidrs * 2 : 8, struct cidr);

        if (set->n_cidrs)
            memcpy(grown, set->cidrs, set->n_cidrs * sizeof(*grown));
        set->cidrs = grown;
        set->cap_cidrs = set->cap_cidrs ? set->cap_cidrs * 2 : 8;
    }
    set->cidrs[set->n_cidrs++] = net;
}

void
area_set_add_set(struct area_set *set, const struct area_set *from, struct arena *arena)
{
    for (unsigned i = 0; i < COUNTRY_WORDS; i++)
        set->countries[i] |= from->countries[i];
    set->continents |= from->continents;
    for (unsigned i = 0; i < from->n_cidrs; i++)
        area_set_add_network(set, from->cidrs[i], arena);
}

static int
order_of(const struct addr *a, const struct addr *b)
{
    return a->family != b->family ? (int)a->family - (int)b->family : memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int
by_base(const void *a, const void *b)
{
    const struct cidr *x = a, *y = b;
    int order = order_of(&x->base, &y->base);

    return order ? order : (int)x->bits - (int)y->bits;
}

void
area_set_finish(struct area_set *set)
{
    unsigned kept = 0;

    if (set->n_cidrs)
        qsort(set->cidrs, set->n_cidrs, sizeof(*set->cidrs), by_base);
    for (unsigned i = 0; i < set->n_cidrs; i++) {
        if (kept == 0 || !cidr_covers(&set->cidrs[kept - 1], &set->cidrs[i]))
            set->cidrs[kept++] = set->cidrs[i];
    }
    set->n_cidrs = kept;
}

void
area_set_print(const struct area_set *set, struct buf *out)
{
    char text[ADDR_TEXT_MAX];

    buf_printf(out, "(%x", set->continents);
    for (unsigned i = 0; i < COUNTRY_WORDS; i++)
        buf_printf(out, " %" PRIx64, set->countries[i]);
    for (unsigned i = 0; i < set->n_cidrs; i++)
        buf_printf(out, " %s/%u", addr_print(&set->cidrs[i].base, -1, text), set->cidrs[i].bits);
    buf_add(out, STR(")"));
}

/* How many networks begin at or before an address: the last of them is the only one that can have it. */
static unsigned
count_until(const struct area_set *set, const struct addr *a)
{
    unsigned low = 0, high = set->n_cidrs;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (order_of(&set->cidrs[middle].base, a) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool
area_set_has_country(const struct area_set *set, const char code[2])
{
    unsigned bit = country_bit(code);

    if (code[0] < 'A' || code[0] > 'Z' || code[1] < 'A' || code[1] > 'Z')
        return false;
    return set->countries[bit / 64] >> bit % 64 & 1;
}

bool
area_set_has_place(const struct area_set *set)
{
    uint64_t any = set->continents;

    for (unsigned i = 0; i < COUNTRY_WORDS; i++)
        any |= set->countries[i];
    return any != 0;
}

bool
area_set_is_empty(const struct area_set *set)
{
    return set->n_cidrs == 0 && !area_set_has_place(set);
}

bool
area_set_takes(const struct area_set *set, const struct addr *address, const struct place *place)
{
    if (set->n_cidrs) {
        unsigned n = count_until(set, address);

        if (n && cidr_has(&set->cidrs[n - 1], address))
            return true;
    }
    if (place->source == PLACE_NONE)
        return false;
    if (place->country[0] && area_set_has_country(set, place->country))
        return true;
    return place->continent != CONTINENT_NONE && set->continents >> place->continent & 1;
}

/* Is there a network in the set that covers this one, or, if not `whole`, lies in it? */
static bool
meets_network(const struct area_set *set, const struct cidr *net, bool whole)
{
    unsigned n = count_until(set, &net->base);

    if (n && cidr_covers(&set->cidrs[n - 1], net))
        return true;
    if (whole)
        return false;
    return (n && cidr_covers(net, &set->cidrs[n - 1])) || (n < set->n_cidrs && cidr_covers(net, &set->cidrs[n]));
}

bool
area_sets_overlap(const struct area_set *a, const struct area_set *b)
{
    if (a->continents & b->continents)
        return true;
    for (unsigned i = 0; i < COUNTRY_WORDS; i++) {
        if (a->countries[i] & b->countries[i])
            return true;
    }
    for (unsigned i = 0; i < a->n_cidrs; i++) {
        if (meets_network(b, &a->cidrs[i], false))
            return true;
    }
    return false;
}

bool
area_set_contains(const struct area_set *outer, const struct area_set *inner)
{
    if (inner->continents & ~outer->continents)
        return false;
    for (unsigned i = 0; i < COUNTRY_WORDS; i++) {
        if (inner->countries[i] & ~outer->countries[i])
            return false;
    }
    for (unsigned i = 0; i < inner->n_cidrs; i++) {
        if (!meets_network(outer, &inner->cidrs[i], true))
            return false;
    }
    return true;
}
