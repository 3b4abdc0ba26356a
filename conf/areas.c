/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/areas.h"

enum { SETS_MAX = 256, DEPTH_MAX = 16 };

/* A definition as written, flattened into its set when all names are known. */
struct definition {
    struct str name;
    struct word items;
    struct word at;
    bool is_open; /* being flattened: meeting it again is a circle */
    bool is_done;
};

struct flattener {
    struct scan scan;
    struct arena *arena;
    struct definition *definitions;
    struct areas *areas;
};

static bool
is_area_name(struct str s)
{
    if (s.len == 0 || s.len > 63 || !(s.p[0] >= 'a' && s.p[0] <= 'z'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return true;
}

static bool
is_country_word(struct str s)
{
    return s.len == 2 && s.p[0] >= 'A' && s.p[0] <= 'Z' && s.p[1] >= 'A' && s.p[1] <= 'Z';
}

static const struct area_set *
find_set(const struct areas *areas, struct str name)
{
    for (unsigned i = 0; i < areas->n; i++) {
        if (str_eq(areas->sets[i].name, name))
            return &areas->sets[i];
    }
    return NULL;
}

static bool
set_has_country(const struct area_set *set, const char *country)
{
    struct place point;

    for (unsigned i = 0; i < set->n_countries; i++) {
        if (memcmp(set->countries[i].p, country, 2) == 0)
            return true;
    }
    return country_point(country, &point) && set->continents[point.continent];
}

/* --- naming an unknown word -------------------------------------------------------------------------------------- */

static struct str
suggest(const struct areas *areas, struct arena *arena, struct str wrong)
{
    struct str names[SETS_MAX + CONTINENT_COUNT + 1];
    unsigned n = 0;

    for (unsigned i = 0; i < areas->n; i++)
        names[n++] = areas->sets[i].name;
    for (unsigned c = CONTINENT_NONE + 1; c < CONTINENT_COUNT; c++)
        names[n++] = continent_name((enum continent)c);
    names[n++] = STR("unknown");
    return scan_suggest(arena, wrong, names, n);
}

static void
tell_unknown(const struct areas *areas, const struct scan *scan, struct word item, struct arena *arena)
{
    struct str hint = suggest(areas, arena, item.text);

    if (is_country_word(item.text))
        scan_error(scan, item, STR_FMT " is not an ISO 3166 country", STR_ARG(item.text));
    else
        scan_error(scan, item,
            "\"" STR_FMT "\" is no area: expected a country (DE), a continent (europe), a network, * or a name of "
            "SEXTANT_AREAS" STR_FMT,
            STR_ARG(item.text), STR_ARG(hint));
}

/* --- flattening -------------------------------------------------------------------------------------------------- */

static void flatten(struct flattener *f, unsigned index, unsigned depth);

static int
find_definition(const struct flattener *f, struct str name)
{
    for (unsigned i = 0; i < f->areas->n; i++) {
        if (str_eq(f->definitions[i].name, name))
            return (int)i;
    }
    return -1;
}

static void
add_country(struct flattener *f, struct area_set *set, struct str country)
{
    struct str *grown = ARENA_ARRAY(f->arena, set->n_countries + 1, struct str);

    if (set->n_countries)
        memcpy(grown, set->countries, set->n_countries * sizeof(*grown));
    grown[set->n_countries++] = country;
    set->countries = grown;
}

static void
add_cidr(struct flattener *f, struct area_set *set, struct cidr net)
{
    struct cidr *grown = ARENA_ARRAY(f->arena, set->n_cidrs + 1, struct cidr);

    if (set->n_cidrs)
        memcpy(grown, set->cidrs, set->n_cidrs * sizeof(*grown));
    grown[set->n_cidrs++] = net;
    set->cidrs = grown;
}

static void
add_set(struct flattener *f, struct area_set *into, const struct area_set *from)
{
    for (unsigned i = 0; i < from->n_countries; i++)
        add_country(f, into, from->countries[i]);
    for (unsigned i = 0; i < from->n_cidrs; i++)
        add_cidr(f, into, from->cidrs[i]);
    for (unsigned c = 0; c < CONTINENT_COUNT; c++)
        into->continents[c] |= from->continents[c];
}

static void
flatten_item(struct flattener *f, struct area_set *set, struct word item, unsigned depth)
{
    enum continent continent = continent_parse(item.text);
    int other = find_definition(f, item.text);
    struct cidr net;

    if (is_country_word(item.text) && country_is_known(item.text.p)) {
        add_country(f, set, item.text);
    } else if (other >= 0) {
        flatten(f, (unsigned)other, depth + 1);
        if (f->definitions[other].is_open)
            scan_error(&f->scan, item, "area " STR_FMT " contains itself", STR_ARG(item.text));
        else
            add_set(f, set, &f->areas->sets[other]);
    } else if (continent != CONTINENT_NONE) {
        set->continents[continent] = true;
    } else if (cidr_parse(item.text, &net)) {
        add_cidr(f, set, net);
    } else {
        tell_unknown(f->areas, &f->scan, item, f->arena);
    }
}

static void
flatten(struct flattener *f, unsigned index, unsigned depth)
{
    struct definition *d = &f->definitions[index];
    struct word rest = d->items, item;

    if (d->is_done || d->is_open || depth > DEPTH_MAX)
        return;
    d->is_open = true;
    while (word_item(&rest, &item)) {
        if (item.text.len)
            flatten_item(f, &f->areas->sets[index], item, depth);
    }
    d->is_open = false;
    d->is_done = true;
}

static void
check_set(struct flattener *f, unsigned index)
{
    const struct area_set *set = &f->areas->sets[index];
    bool has_continent = false;

    for (unsigned c = 0; c < CONTINENT_COUNT; c++)
        has_continent |= set->continents[c];
    if (!has_continent && set->n_countries == 0 && set->n_cidrs == 0)
        scan_error(&f->scan, f->definitions[index].at, "area " STR_FMT " matches nobody", STR_ARG(set->name));
}

static void
define(struct flattener *f, struct word w)
{
    struct str name, value;
    struct definition *d = &f->definitions[f->areas->n];

    if (!str_cut(w.text, '=', &name, &value)) {
        scan_error(&f->scan, w, "expected name=item[,item...], not \"" STR_FMT "\"", STR_ARG(w.text));
        return;
    }
    if (!is_area_name(name) || str_eq(name, STR("unknown")) || continent_parse(name) != CONTINENT_NONE) {
        scan_error(&f->scan, w,
            "\"" STR_FMT
            "\" is not a name for an area: lower-case letters, digits, - and _, no continent and not unknown",
            STR_ARG(name));
        return;
    }
    if (find_definition(f, name) >= 0) {
        scan_error(&f->scan, w, "area " STR_FMT " is defined twice", STR_ARG(name));
        return;
    }
    *d = (struct definition){ .name = name, .items = word_from(w, name.len + 1), .at = w };
    f->areas->sets[f->areas->n++].name = name;
}

struct areas *
areas_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct areas *areas = ARENA_NEW(arena, struct areas);
    struct flattener f = {
        .scan = scan_begin(conf_source(conf, "areas"), conf->areas, issues), .arena = arena, .areas = areas
    };
    struct word *words;
    unsigned n;

    areas->sets = ARENA_ARRAY(arena, SETS_MAX, struct area_set);
    f.definitions = ARENA_ARRAY(arena, SETS_MAX, struct definition);
    while (scan_entry(&f.scan, arena, &words, &n)) {
        if (areas->n == SETS_MAX) {
            scan_error(&f.scan, words[0], "there may be %d areas at most", SETS_MAX);
            break;
        }
        define(&f, words[0]);
        if (n > 1)
            scan_error(&f.scan, words[1], "one area a line: separate items by commas without blanks");
    }
    for (unsigned i = 0; i < areas->n; i++)
        flatten(&f, i, 0);
    for (unsigned i = 0; i < areas->n; i++)
        check_set(&f, i);
    return areas;
}

/* --- one area ---------------------------------------------------------------------------------------------------- */

bool
area_parse(
    const struct areas *areas, const struct scan *scan, struct word item, struct arena *arena, struct area *ret_area)
{
    struct area a = { .text = item.text };

    if (str_eq(item.text, STR("*"))) {
        a.kind = AREA_ANY;
    } else if (str_eq(item.text, STR("unknown"))) {
        a.kind = AREA_UNKNOWN;
    } else if (is_country_word(item.text) && country_is_known(item.text.p)) {
        a.kind = AREA_COUNTRY;
        memcpy(a.country, item.text.p, 2);
    } else if ((a.set = find_set(areas, item.text))) {
        a.kind = AREA_NAMED;
    } else if ((a.continent = continent_parse(item.text)) != CONTINENT_NONE) {
        a.kind = AREA_CONTINENT;
    } else if (cidr_parse(item.text, &a.cidr)) {
        a.kind = AREA_CIDR;
    } else {
        tell_unknown(areas, scan, item, arena);
        return false;
    }
    *ret_area = a;
    return true;
}

static bool
set_takes(const struct area_set *set, const struct addr *address, const struct place *place)
{
    for (unsigned i = 0; i < set->n_cidrs; i++) {
        if (cidr_has(&set->cidrs[i], address))
            return true;
    }
    for (unsigned i = 0; i < set->n_countries && place->country[0]; i++) {
        if (memcmp(set->countries[i].p, place->country, 2) == 0)
            return true;
    }
    return place->continent != CONTINENT_NONE && set->continents[place->continent];
}

bool
area_takes(const struct area *area, const struct addr *address, const struct place *place)
{
    bool is_placed = place->source != PLACE_NONE;

    switch (area->kind) {
    case AREA_CIDR:
        return cidr_has(&area->cidr, address);
    case AREA_COUNTRY:
        return is_placed && memcmp(area->country, place->country, 2) == 0;
    case AREA_NAMED:
        return set_takes(area->set, address, place);
    case AREA_CONTINENT:
        return is_placed && place->continent == area->continent;
    case AREA_ANY:
        return true;
    case AREA_UNKNOWN:
        return !is_placed;
    }
    return false;
}

static bool
sets_overlap(const struct area_set *a, const struct area_set *b)
{
    for (unsigned c = 0; c < CONTINENT_COUNT; c++) {
        if (a->continents[c] && b->continents[c])
            return true;
    }
    for (unsigned i = 0; i < a->n_countries; i++) {
        if (set_has_country(b, a->countries[i].p))
            return true;
    }
    for (unsigned i = 0; i < b->n_countries; i++) {
        if (set_has_country(a, b->countries[i].p))
            return true;
    }
    for (unsigned i = 0; i < a->n_cidrs; i++) {
        for (unsigned j = 0; j < b->n_cidrs; j++) {
            if (cidr_covers(&a->cidrs[i], &b->cidrs[j]) || cidr_covers(&b->cidrs[j], &a->cidrs[i]))
                return true;
        }
    }
    return false;
}

bool
areas_overlap(const struct area *a, const struct area *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case AREA_CIDR: /* a longer prefix inside a shorter one is narrower, not an overlap */
        return a->cidr.bits == b->cidr.bits && cidr_covers(&a->cidr, &b->cidr);
    case AREA_COUNTRY:
        return memcmp(a->country, b->country, 2) == 0;
    case AREA_NAMED:
        return sets_overlap(a->set, b->set);
    case AREA_CONTINENT:
        return a->continent == b->continent;
    default:
        return true;
    }
}

bool
area_has_country(const struct area *area, const char country[3])
{
    struct place point;

    switch (area->kind) {
    case AREA_COUNTRY:
        return memcmp(area->country, country, 2) == 0;
    case AREA_CONTINENT:
        return country_point(country, &point) && point.continent == area->continent;
    case AREA_NAMED:
        return set_has_country(area->set, country);
    default:
        return true;
    }
}
