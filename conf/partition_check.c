/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors are what the map could not mean; warnings are lines, partitions and areas that nobody reaches, and clusters that
 * nothing is sent to.
 */
#include "conf/partition_check.h"

/* --- within a line ----------------------------------------------------------------------------------------------- */

static struct word
at_partition(const struct partition *part)
{
    return (struct word){ .text = part->name, .line = part->line, .column = part->column };
}

static struct word
at_area(const struct area *a)
{
    return (struct word){ .text = a->text, .line = a->line, .column = a->column };
}

void
partition_set_widths(struct rule *rule)
{
    for (unsigned i = 0; i < rule->n_areas; i++) {
        struct area *a = &rule->areas[i];

        for (unsigned j = 0; a->kind == AREA_NAMED && j < rule->n_areas; j++)
            a->width += area_is_inside(&rule->areas[j], a);
    }
}

static void
check_overlaps(const struct scan *scan, const struct rule *r)
{
    for (unsigned i = 0; i < r->n_areas; i++) {
        const struct area *b = &r->areas[i];

        for (unsigned j = 0; j < i; j++) {
            const struct area *a = &r->areas[j];

            if (str_eq(a->text, b->text))
                scan_error(scan, at_area(b),
                    "area " STR_FMT " overlaps " STR_FMT " of this line: it stands there twice", STR_ARG(b->text),
                    STR_ARG(a->text));
            else if (areas_overlap(a, b))
                scan_error(scan, at_area(b),
                    "area " STR_FMT " overlaps " STR_FMT " of this line and neither is narrower", STR_ARG(b->text),
                    STR_ARG(a->text));
        }
    }
}

/* A cluster must lie in one of the areas that name places. Where there is none, there is nothing to hold it to. */
static void
check_strict(const struct scan *scan, const struct topology *t, const struct partition *part)
{
    bool names_places = false;

    for (unsigned i = 0; i < part->n_areas; i++)
        names_places |= area_names_places(&part->areas[i]);
    for (unsigned i = 0; names_places && i < part->n_clusters; i++) {
        const struct cluster_conf *c = &t->clusters[part->clusters[i]];
        bool is_inside = false;

        if (!c->country[0] && !c->at.has_point) /* its at= is what must be mended */
            continue;
        for (unsigned j = 0; j < part->n_areas; j++)
            is_inside |= c->country[0] && area_has_country(&part->areas[j], c->country);
        if (!c->country[0])
            scan_error(scan, at_partition(part),
                "residency=strict: the country of cluster " STR_FMT
                " is not known: add country= to it in SEXTANT_CLUSTERS",
                STR_ARG(c->name));
        else if (!is_inside)
            scan_error(scan, at_partition(part), "residency=strict: cluster " STR_FMT " is in %s, outside " STR_FMT,
                STR_ARG(c->name), c->country, STR_ARG(part->name));
    }
}

static bool
has_copies(const struct rule *r)
{
    for (unsigned i = 0; i < r->n_partitions; i++) {
        if (r->partitions[i].n_clusters > 1)
            return true;
    }
    return false;
}

static void
warn_no_effect(const struct scan *scan, const struct rule *r, struct word option, bool is_whole)
{
    if (is_whole && option.text.p && !has_copies(r))
        scan_warning(scan, option, "no partition of this line lists several clusters: " STR_FMT " has no effect",
            STR_ARG(option.text));
}

static void
check_copies(const struct scan *scan, const struct rule *r, const struct rule_places *places, bool is_whole)
{
    for (unsigned i = 0; i < r->n_partitions; i++) {
        const struct partition *part = &r->partitions[i];

        if (part->n_clusters > 1 && r->copies == COPIES_NONE && r->fanout == FANOUT_NONE)
            scan_error(scan, at_partition(part),
                "partition " STR_FMT " lists several clusters: say how the copies come to be, with copies=external "
                "(something else replicates)",
                STR_ARG(part->name));
    }
    if (r->write == WRITE_NEAREST && r->copies != COPIES_EXTERNAL)
        scan_error(scan, places->write, "write=nearest is only for copies=external");
    warn_no_effect(scan, r, places->copies, is_whole);
    warn_no_effect(scan, r, places->fanout, is_whole);
}

/* --- fan-out ----------------------------------------------------------------------------------------------------- */

static const struct partition *
partition_of(const struct rule *r, unsigned cluster)
{
    for (unsigned i = 0; i < r->n_partitions; i++) {
        if (r->partitions[i].cluster_mask >> cluster & 1)
            return &r->partitions[i];
    }
    return NULL;
}

/* Two homes that write into one cluster would undo each other's work there: a collection has one name in all. Names that hide
 * one cluster behind two URLs are found by its identity later. */
static void
check_disjoint(const struct scan *scan, const struct topology *t, const struct rule *r)
{
    for (unsigned i = 0; i < r->n_partitions; i++) {
        const struct partition *part = &r->partitions[i];

        for (unsigned j = 0; j < part->n_clusters; j++) {
            const struct partition *first = partition_of(r, part->clusters[j]);

            if (first != part)
                scan_error(scan, at_partition(part),
                    "cluster " STR_FMT " is in partition " STR_FMT
                    " as well: with fanout= the partitions of a line have no cluster in common",
                    STR_ARG(t->clusters[part->clusters[j]].name), STR_ARG(first->name));
        }
    }
}

static void
check_fanout(const struct scan *scan, const struct topology *t, const struct rule *r, const struct rule_places *places)
{
    if (r->fanout == FANOUT_NONE)
        return;
    if (places->copies.text.p)
        scan_error(scan, places->fanout,
            "fanout= and copies= exclude each other: either Sextant keeps the copies or "
            "something else does");
    check_disjoint(scan, t, r);
}

/* --- who reaches what -------------------------------------------------------------------------------------------- */

/* A placed caller of every country. */
struct countries {
    struct place places[26 * 26];
    unsigned n;
};

static void
list_countries(struct countries *list)
{
    list->n = 0;
    for (unsigned i = 0; i < 26 * 26; i++) {
        char code[2] = { (char)('A' + i / 26), (char)('A' + i % 26) };

        if (country_point(code, &list->places[list->n]))
            list->places[list->n++].source = PLACE_DATABASE;
    }
}

/* Networks are taken to be reached, and so are `*` and `unknown`: somebody always has no country. */
static bool
is_surely_reached(const struct area *a)
{
    return a->kind == AREA_CIDR || a->kind >= AREA_UNKNOWN || (a->kind == AREA_NAMED && a->set->n_cidrs);
}

static void
mark_reached(const struct rule *r, const struct countries *countries, bool *reached)
{
    static const struct addr nobody;
    const struct area *area;

    for (unsigned i = 0; i < r->n_areas; i++)
        reached[i] = is_surely_reached(&r->areas[i]);
    for (unsigned i = 0; i < countries->n; i++) {
        if (rule_partition(r, &nobody, &countries->places[i], &area))
            reached[area->index] = true;
    }
}

static void
check_reached(const struct scan *scan, const struct rule *r, const struct countries *countries)
{
    struct arena scratch = { 0 };
    bool *reached = ARENA_ARRAY(&scratch, r->n_areas + 1, bool);

    mark_reached(r, countries, reached);
    for (unsigned i = 0; i < r->n_partitions; i++) {
        const struct partition *part = &r->partitions[i];
        unsigned n = 0;

        for (unsigned j = 0; j < part->n_areas; j++)
            n += reached[part->areas[j].index];
        if (n == 0 && part->n_areas)
            scan_warning(scan, at_partition(part),
                "partition " STR_FMT " is never reached: narrower areas take all its countries", STR_ARG(part->name));
        for (unsigned j = 0; n && j < part->n_areas; j++) {
            if (!reached[part->areas[j].index])
                scan_warning(scan, at_area(&part->areas[j]),
                    "area " STR_FMT " matches nobody: narrower areas take all its countries",
                    STR_ARG(part->areas[j].text));
        }
    }
    arena_fini(&scratch);
}

/* --- between lines ----------------------------------------------------------------------------------------------- */

/* The earlier pattern that takes every name of this one: a pattern's text, its stars included, is matched by another exactly
 * if all its names are. */
static const struct rule *
shadow_of(const struct partition_map *map, const struct rule *r, unsigned pattern)
{
    for (unsigned i = 0; i <= r->index; i++) {
        const struct rule *by = &map->rules[i];

        for (unsigned j = 0; j < (by == r ? pattern : by->n_patterns); j++) {
            if (str_glob(by->patterns[j], r->patterns[pattern]))
                return by;
        }
    }
    return NULL;
}

static void
check_shadows(const struct scan *scan, const struct partition_map *map, const struct rule *r)
{
    struct word at = { .line = r->line };

    for (unsigned i = 0; i < r->n_patterns; i++) {
        const struct rule *by = shadow_of(map, r, i);

        at.column = r->column + (unsigned)(r->patterns[i].p - r->patterns[0].p);
        if (by)
            scan_warning(scan, at, "pattern " STR_FMT " is never reached: line %u takes its collections",
                STR_ARG(r->patterns[i]), by->line);
    }
}

/* Same caller, same clusters? */
static bool
agree(const struct rule *a, const struct rule *b, const struct place *place)
{
    static const struct addr nobody;
    const struct partition *x = rule_partition(a, &nobody, place, NULL), *y = rule_partition(b, &nobody, place, NULL);

    return x && y ? x->cluster_mask == y->cluster_mask : x == y;
}

static bool
agree_on(const struct rule *a, const struct rule *b, struct place place)
{
    for (unsigned source = PLACE_DATABASE; source <= PLACE_DEFAULT; source++) {
        place.source = (uint8_t)source;
        if (!agree(a, b, &place))
            return false;
    }
    return true;
}

static bool
has_networks(const struct rule *r)
{
    for (unsigned i = 0; i < r->n_areas; i++) {
        const struct area *a = &r->areas[i];

        if (a->kind == AREA_CIDR || (a->kind == AREA_NAMED && a->set->n_cidrs))
            return true;
    }
    return false;
}

/* Without networks only the place counts: every country, every continent of a caller without one, neither, unplaced. */
static bool
lead_alike(const struct rule *a, const struct rule *b, const struct countries *countries)
{
    static const struct place unplaced = { .source = PLACE_NONE };

    if (!agree(a, b, &unplaced))
        return false;
    for (unsigned c = CONTINENT_NONE; c < CONTINENT_COUNT; c++) {
        if (!agree_on(a, b, (struct place){ .continent = (uint8_t)c }))
            return false;
    }
    for (unsigned i = 0; i < countries->n; i++) {
        if (!agree_on(a, b, countries->places[i]))
            return false;
    }
    return true;
}

/* With networks: the same partitions as written. */
static bool
read_alike(const struct rule *a, const struct rule *b)
{
    if (a->n_partitions != b->n_partitions || a->strict != b->strict)
        return false;
    for (unsigned i = 0; i < a->n_partitions; i++) {
        const struct partition *x = &a->partitions[i], *y = &b->partitions[i];

        if (!str_eq(x->name, y->name) || x->cluster_mask != y->cluster_mask)
            return false;
    }
    return true;
}

bool
partition_map_is_uniform(const struct partition_map *map)
{
    struct countries countries;

    list_countries(&countries);
    for (unsigned i = 1; i < map->n_rules; i++) {
        const struct rule *a = &map->rules[0], *b = &map->rules[i];

        if (has_networks(a) || has_networks(b) ? !read_alike(a, b) : !lead_alike(a, b, &countries))
            return false;
    }
    return true;
}

static void
check_unused(const struct scan *scan, const struct partition_map *map, const struct topology *t)
{
    uint64_t used = 0;

    for (unsigned i = 0; i < map->n_rules; i++)
        used |= map->rules[i].cluster_mask;
    for (unsigned i = 0; i < t->n_clusters; i++) {
        if (!(used >> i & 1))
            conf_issue(scan->issues, false, scan->source, 0, 0, "cluster " STR_FMT " is in no line of the map",
                STR_ARG(t->clusters[i].name));
    }
}

void
partition_check(const struct partition_map *map, const struct topology *t, const struct rule_places *places,
    const struct scan *scan, unsigned n_errors)
{
    struct countries countries;

    list_countries(&countries);
    for (unsigned i = 0; i < map->n_rules; i++) {
        const struct rule *r = &map->rules[i];

        check_overlaps(scan, r);
        check_copies(scan, r, &places[i], scan->issues->n_errors == n_errors);
        check_fanout(scan, t, r, &places[i]);
        for (unsigned j = 0; r->strict && j < r->n_partitions; j++)
            check_strict(scan, t, &r->partitions[j]);
        if (scan->issues->n_errors == n_errors)
            check_reached(scan, r, &countries);
        check_shadows(scan, map, r);
    }
    if (scan->issues->n_errors == n_errors)
        check_unused(scan, map, t);
}
