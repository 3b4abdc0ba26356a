/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/partition_check.h"

static struct word
at_rule(const struct rule *r)
{
    return (struct word){ .line = r->line, .column = r->column };
}

static struct word
at_partition(const struct partition *part)
{
    return (struct word){ .line = part->line, .column = part->column };
}

/* --- within a line ----------------------------------------------------------------------------------------------- */

static void
check_overlap(const struct scan *scan, const struct partition *a, const struct partition *b)
{
    for (unsigned i = 0; i < a->n_areas; i++) {
        for (unsigned j = a == b ? i + 1 : 0; j < b->n_areas; j++) {
            if (areas_overlap(&a->areas[i], &b->areas[j]))
                scan_error(scan, at_partition(b),
                    "area " STR_FMT " overlaps " STR_FMT " of this line and neither is narrower",
                    STR_ARG(b->areas[j].text), STR_ARG(a->areas[i].text));
        }
    }
}

static bool
takes_country(const struct partition *part, const char *country)
{
    for (unsigned i = 0; i < part->n_areas; i++) {
        if (area_has_country(&part->areas[i], country))
            return true;
    }
    return false;
}

static void
check_strict(const struct scan *scan, const struct topology *t, const struct partition *part)
{
    for (unsigned i = 0; i < part->n_clusters; i++) {
        const struct cluster_conf *c = &t->clusters[part->clusters[i]];
        bool is_exempt = takes_country(part, "  ");

        if (is_exempt)
            continue;
        if (!c->country[0])
            scan_error(scan, at_partition(part),
                "residency=strict: the country of cluster " STR_FMT
                " is not known; add country= to it in SEXTANT_CLUSTERS",
                STR_ARG(c->name));
        else if (!takes_country(part, c->country))
            scan_error(scan, at_partition(part), "residency=strict: cluster " STR_FMT " is in %s, outside " STR_FMT,
                STR_ARG(c->name), c->country, STR_ARG(part->name));
    }
}

/* Every country of this partition is taken by narrower areas of the line: nobody can reach it. */
static bool
is_reachable(const struct rule *r, const struct partition *part)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool has_any_country = false;
    struct addr nobody = { 0 };

    for (unsigned i = 0; i < part->n_areas; i++) {
        if (part->areas[i].kind != AREA_CONTINENT && part->areas[i].kind != AREA_NAMED &&
            part->areas[i].kind != AREA_COUNTRY)
            return true;
        if (part->areas[i].kind == AREA_NAMED && part->areas[i].set->n_cidrs)
            return true;
    }
    for (unsigned a = 0; a < 26; a++) {
        for (unsigned b = 0; b < 26; b++) {
            char code[3] = { alphabet[a], alphabet[b], '\0' };
            struct place place;

            if (!country_is_known(code) || !country_point(code, &place))
                continue;
            place.source = PLACE_DATABASE;
            has_any_country = true;
            if (rule_partition(r, &nobody, &place, NULL) == part)
                return true;
        }
    }
    return !has_any_country;
}

static void
check_partitions(const struct scan *scan, const struct topology *t, const struct rule *r)
{
    for (unsigned i = 0; i < r->n_partitions; i++) {
        const struct partition *part = &r->partitions[i];

        for (unsigned j = 0; j <= i; j++)
            check_overlap(scan, &r->partitions[j], part);
        if (part->n_clusters > 1 && r->copies == COPIES_NONE)
            scan_error(scan, at_partition(part),
                "partition " STR_FMT " lists several clusters: say how the copies come to be, copies=external",
                STR_ARG(part->name));
        if (r->strict)
            check_strict(scan, t, part);
        if (part->n_areas && !is_reachable(r, part))
            scan_warning(scan, at_partition(part),
                "partition " STR_FMT " is never reached: narrower areas take all its callers", STR_ARG(part->name));
    }
}

static void
check_rule(const struct scan *scan, const struct topology *t, const struct rule *r)
{
    if (r->write == WRITE_NEAREST && r->copies != COPIES_EXTERNAL)
        scan_error(scan, at_rule(r), "write=nearest is only for copies=external");
    check_partitions(scan, t, r);
}

/* --- between lines ----------------------------------------------------------------------------------------------- */

/* Is every name of this pattern taken by an earlier line? A literal that an earlier pattern matches is; a pattern is when an
 * earlier one matches it as a text, its star included. */
static const struct rule *
shadowing(const struct partition_map *map, const struct rule *r, struct str pattern)
{
    for (unsigned i = 0; i < r->index; i++) {
        for (unsigned j = 0; j < map->rules[i].n_patterns; j++) {
            if (str_glob(map->rules[i].patterns[j], pattern))
                return &map->rules[i];
        }
    }
    return NULL;
}

static void
check_shadowed(const struct scan *scan, const struct partition_map *map, const struct rule *r)
{
    for (unsigned i = 0; i < r->n_patterns; i++) {
        const struct rule *by = shadowing(map, r, r->patterns[i]);

        if (by)
            scan_warning(scan, at_rule(r), "pattern " STR_FMT " is never reached: line %u takes all its collections",
                STR_ARG(r->patterns[i]), by->line);
    }
}

static bool
same_partitions(const struct rule *a, const struct rule *b)
{
    if (a->n_partitions != b->n_partitions || a->strict != b->strict)
        return false;
    for (unsigned i = 0; i < a->n_partitions; i++) {
        if (!str_eq(a->partitions[i].name, b->partitions[i].name) ||
            a->partitions[i].cluster_mask != b->partitions[i].cluster_mask)
            return false;
    }
    return true;
}

void
partition_check(struct partition_map *map, const struct topology *t, const struct areas *areas, const struct scan *scan)
{
    if (map->n_rules == 0 && t->n_clusters)
        scan_error(scan, (struct word){ .line = 1, .column = 1 }, "the map has no line");
    map->is_uniform = true;
    for (unsigned i = 0; i < map->n_rules; i++) {
        check_rule(scan, t, &map->rules[i]);
        check_shadowed(scan, map, &map->rules[i]);
        map->is_uniform &= same_partitions(&map->rules[0], &map->rules[i]);
    }
}

/* --- no map at all ----------------------------------------------------------------------------------------------- */

static void
put_names(const struct topology *t, struct buf *out)
{
    for (unsigned i = 0; i < t->n_clusters; i++)
        buf_printf(out, "%s" STR_FMT, i ? "," : "", STR_ARG(t->clusters[i].name));
}

/* Clusters by continent, the first of each; the first cluster of all takes the rest. */
static void
put_divided(const struct topology *t, struct buf *out)
{
    bool has[CONTINENT_COUNT] = { false };

    for (unsigned i = 0; i < t->n_clusters; i++) {
        const struct place *at = &t->clusters[i].at;

        if (at->continent == CONTINENT_NONE || has[at->continent])
            continue;
        has[at->continent] = true;
        buf_printf(out, STR_FMT "=" STR_FMT " ", STR_ARG(continent_name((enum continent)at->continent)),
            STR_ARG(t->clusters[i].name));
    }
    buf_printf(out, "*=" STR_FMT, STR_ARG(t->clusters[0].name));
}

void
partition_check_missing(const struct topology *t, struct conf_issues *issues)
{
    struct buf names = { 0 }, divided = { 0 };

    put_names(t, &names);
    put_divided(t, &divided);
    conf_issue(issues, true, STR("SEXTANT_PARTITION_MAP"), 0, 0,
        "several clusters need a partition map that says which may hold what. Three usual ones, ready to copy:\n"
        "  # every region has a copy, and something else keeps the copies equal\n"
        "  SEXTANT_PARTITION_MAP='* *=" STR_FMT " copies=external write=nearest'\n"
        "  # each region keeps the data of its own callers\n"
        "  SEXTANT_PARTITION_MAP='* " STR_FMT "'\n"
        "  # every region has a copy kept by Sextant (not in this version)\n"
        "  SEXTANT_PARTITION_MAP='* *=" STR_FMT " fanout=async'",
        STR_ARG(buf_str(&names)), STR_ARG(buf_str(&divided)), STR_ARG(buf_str(&names)));
    buf_fini(&names);
    buf_fini(&divided);
}
