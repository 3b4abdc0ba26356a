/* SPDX-License-Identifier: Apache-2.0
 *
 * SEXTANT_AREAS: definitions are gathered first, then flattened, each into a set; one may name others in any order, but not
 * itself by any way round.
 */
#include "conf/areas.h"

#include "conf/terms.h"

enum { SETS_MAX = 256 };

struct definition {
    struct word items, at;
    bool is_open; /* being flattened: meeting it again is a circle */
    bool is_done, is_bad;
};

struct flattener {
    struct scan scan;
    struct arena *arena;
    struct definition *definitions; /* one a set */
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
    return !str_eq(s, STR("unknown")) && continent_parse(s) == CONTINENT_NONE;
}

static int
find_set(const struct areas *areas, struct str name)
{
    for (unsigned i = 0; i < areas->n; i++) {
        if (str_eq(areas->sets[i].name, name))
            return (int)i;
    }
    return -1;
}

/* --- a word that is no area -------------------------------------------------------------------------------------- */

static struct str
suggest(const struct areas *areas, struct arena *arena, struct str wrong)
{
    struct str names[SETS_MAX + CONTINENT_COUNT + 1], hint, meant;
    unsigned n = 0;

    for (unsigned i = 0; i < areas->n; i++)
        names[n++] = areas->sets[i].name;
    for (unsigned c = CONTINENT_NONE + 1; c < CONTINENT_COUNT; c++)
        names[n++] = continent_name((enum continent)c);
    names[n++] = STR("unknown");
    hint = scan_suggest(arena, wrong, names, n);
    meant = term_meant(arena, wrong);
    return hint.len || meant.len == 0 ? hint : arena_printf(arena, "; did you mean " STR_FMT "?", STR_ARG(meant));
}

static void
tell_unknown(
    const struct areas *areas, const struct scan *scan, struct word item, struct arena *arena, const char *also)
{
    char text[ADDR_TEXT_MAX + 4];
    const char *base = network_base(item.text, text);

    if (*base)
        scan_error(scan, item, "\"" STR_FMT "\" is not a network: it has bits beyond its length; did you mean %s?",
            STR_ARG(item.text), base);
    else
        scan_error(scan, item,
            "\"" STR_FMT
            "\" is no area: expected a country (DE), a continent (europe), a network (10.0.0.0/8)%s" STR_FMT,
            STR_ARG(item.text), also, STR_ARG(suggest(areas, arena, item.text)));
}

/* --- flattening -------------------------------------------------------------------------------------------------- */

static void flatten(struct flattener *f, unsigned index);

static void
flatten_set(struct flattener *f, unsigned into, unsigned from, struct word item)
{
    struct definition *d = &f->definitions[from];

    flatten(f, from);
    if (d->is_open)
        scan_error(&f->scan, item, "area " STR_FMT " contains itself", STR_ARG(item.text));
    else
        area_set_add_set(&f->areas->sets[into], &f->areas->sets[from], f->arena);
    f->definitions[into].is_bad |= d->is_open || d->is_bad;
}

static void
flatten_item(struct flattener *f, unsigned index, struct word item)
{
    struct area_set *set = &f->areas->sets[index];
    enum continent continent = continent_parse(item.text);
    int other = find_set(f->areas, item.text);
    struct cidr net;

    if (is_country(item.text)) {
        area_set_add_country(set, item.text.p);
    } else if (other >= 0) {
        flatten_set(f, index, (unsigned)other, item);
    } else if (continent != CONTINENT_NONE) {
        area_set_add_continent(set, continent);
    } else if (cidr_parse(item.text, &net)) {
        area_set_add_network(set, net, f->arena);
    } else {
        tell_unknown(f->areas, &f->scan, item, f->arena, " or another name of SEXTANT_AREAS");
        f->definitions[index].is_bad = true;
    }
}

static void
flatten(struct flattener *f, unsigned index)
{
    struct definition *d = &f->definitions[index];
    struct word rest = d->items, item;

    if (d->is_done || d->is_open)
        return;
    d->is_open = true;
    while (word_item(&rest, &item)) {
        if (item.text.len)
            flatten_item(f, index, item);
    }
    area_set_finish(&f->areas->sets[index]);
    d->is_open = false;
    d->is_done = true;
    if (!d->is_bad && area_set_is_empty(&f->areas->sets[index])) {
        scan_error(&f->scan, d->at, "area " STR_FMT " matches nobody", STR_ARG(f->areas->sets[index].name));
        d->is_bad = true;
    }
}

static void
define(struct flattener *f, struct word w)
{
    struct str name, value;
    struct definition *d = &f->definitions[f->areas->n];
    int twin;

    if (!str_cut(w.text, '=', &name, &value)) {
        scan_error(&f->scan, w, "expected name=item[,item...], not \"" STR_FMT "\"", STR_ARG(w.text));
        return;
    }
    if (!is_area_name(name)) {
        scan_error(&f->scan, w,
            "\"" STR_FMT
            "\" is not a name for an area: up to 63 of a-z, 0-9, - and _, beginning with a letter; no continent "
            "and not unknown",
            STR_ARG(name));
        return;
    }
    twin = find_set(f->areas, name);
    if (twin >= 0) {
        scan_error(&f->scan, w, "area " STR_FMT " is defined twice, first in line %u", STR_ARG(name),
            f->definitions[twin].at.line);
        return;
    }
    *d = (struct definition){ .items = word_from(w, name.len + 1), .at = w };
    f->areas->sets[f->areas->n++].name = name;
}

struct areas *
areas_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct areas *areas = ARENA_NEW(arena, struct areas);
    struct flattener f = { .scan = scan_option(conf, "areas", conf->areas, issues), .arena = arena, .areas = areas };
    unsigned n, n_errors = issues->n_errors;
    struct word *words;

    areas->sets = ARENA_ARRAY(arena, SETS_MAX, struct area_set);
    f.definitions = ARENA_ARRAY(arena, SETS_MAX, struct definition);
    while (scan_entry(&f.scan, arena, &words, &n)) {
        if (areas->n == SETS_MAX) {
            scan_error(&f.scan, words[0], "there may be %d areas at most", SETS_MAX);
            break;
        }
        define(&f, words[0]);
        if (n > 1)
            scan_error(&f.scan, words[1], "one area a line: its items are separated by commas without blanks");
    }
    for (unsigned i = 0; i < areas->n; i++)
        flatten(&f, i);
    areas->is_bad = issues->n_errors > n_errors || conf_origin(conf, "areas")->is_bad;
    return areas;
}

/* --- one area ---------------------------------------------------------------------------------------------------- */

static bool
recognize(const struct areas *areas, struct str text, struct area *a)
{
    int set;

    if (str_eq(text, STR("*"))) {
        a->kind = AREA_ANY;
    } else if (str_eq(text, STR("unknown"))) {
        a->kind = AREA_UNKNOWN;
    } else if (is_country(text)) {
        a->kind = AREA_COUNTRY;
        memcpy(a->country, text.p, 2);
    } else if ((set = find_set(areas, text)) >= 0) {
        a->kind = AREA_NAMED;
        a->set = &areas->sets[set];
    } else if ((a->continent = continent_parse(text)) != CONTINENT_NONE) {
        a->kind = AREA_CONTINENT;
    } else if (cidr_parse(text, &a->cidr)) {
        a->kind = AREA_CIDR;
        a->width = (a->cidr.base.family == 4 ? 32U : 128U) - a->cidr.bits;
    } else {
        return false;
    }
    return true;
}

bool
area_is_known(const struct areas *areas, struct str text)
{
    struct area a = { .text = text };

    return recognize(areas, text, &a);
}

bool
area_parse(
    const struct areas *areas, const struct scan *scan, struct word item, struct arena *arena, struct area *ret_area)
{
    struct area a = { .text = item.text, .line = item.line, .column = item.column };

    if (recognize(areas, item.text, &a)) {
        *ret_area = a;
        return true;
    }
    /* When the definitions are broken, the name may well be one of theirs. */
    if (!areas->is_bad || !is_area_name(item.text))
        tell_unknown(areas, scan, item, arena, ", *, unknown or a name of SEXTANT_AREAS");
    return false;
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
        return area_set_takes(area->set, address, place);
    case AREA_CONTINENT:
        return is_placed && place->continent == area->continent;
    case AREA_UNKNOWN:
        return !is_placed;
    case AREA_ANY:
        return true;
    }
    return false;
}

bool
area_is_inside(const struct area *a, const struct area *b)
{
    if (a->kind == AREA_NAMED && b->kind == AREA_NAMED)
        return area_set_contains(b->set, a->set) && !area_set_contains(a->set, b->set);
    return a->kind == AREA_CIDR && b->kind == AREA_CIDR && a->cidr.bits > b->cidr.bits &&
           cidr_covers(&b->cidr, &a->cidr);
}

bool
areas_overlap(const struct area *a, const struct area *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case AREA_CIDR:
        return a->cidr.bits == b->cidr.bits && cidr_covers(&a->cidr, &b->cidr);
    case AREA_COUNTRY:
        return memcmp(a->country, b->country, 2) == 0;
    case AREA_NAMED:
        return area_sets_overlap(a->set, b->set) && !area_is_inside(a, b) && !area_is_inside(b, a);
    case AREA_CONTINENT:
        return a->continent == b->continent;
    case AREA_UNKNOWN:
    case AREA_ANY:
        return true;
    }
    return true;
}

bool
area_names_places(const struct area *area)
{
    if (area->kind == AREA_NAMED)
        return area_set_has_place(area->set);
    return area->kind == AREA_COUNTRY || area->kind == AREA_CONTINENT;
}

bool
area_has_country(const struct area *area, const char country[2])
{
    struct place point;

    switch (area->kind) {
    case AREA_COUNTRY:
        return memcmp(area->country, country, 2) == 0;
    case AREA_CONTINENT:
        return country_point(country, &point) && point.continent == area->continent;
    case AREA_NAMED:
        return area_set_has_country(area->set, country);
    default:
        return false;
    }
}
