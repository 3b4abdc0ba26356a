/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_PARTITION_MAP_H
#define SEXTANT_CONF_PARTITION_MAP_H

/* The partition map: which clusters may hold which collection for callers of which place. Checked and immutable. */

#include "conf/topology.h"

/* Narrowest first: a lower kind beats a higher one (README, "The partition map"). */
enum area_kind { AREA_CIDR, AREA_COUNTRY, AREA_NAMED, AREA_CONTINENT, AREA_UNKNOWN, AREA_ANY };

struct area_set; /* a named list, flattened: countries, continents, CIDRs */

struct area {
    enum area_kind kind;
    struct str text;            /* as written: "DE", "europe", "10.0.0.0/8", "*" */
    char country[3];            /* AREA_COUNTRY */
    enum continent continent;   /* AREA_CONTINENT */
    struct cidr cidr;           /* AREA_CIDR */
    const struct area_set *set; /* AREA_NAMED */
    unsigned width; /* within a kind and a line: of two areas that take a caller the smaller is the narrower */
    unsigned index; /* its place in rule.areas */
    unsigned line, column;
};

struct partition {
    struct str name;    /* its left-hand text: "asia,oceania" */
    struct area *areas; /* within rule.areas */
    unsigned n_areas;
    uint8_t clusters[CLUSTERS_MAX]; /* indices into topology; [0] is the home */
    unsigned n_clusters;
    uint64_t cluster_mask;
    unsigned index; /* its place in rule.partitions */
    unsigned line, column;
};

enum copies { COPIES_NONE, COPIES_EXTERNAL }; /* NONE: partitions have one cluster, or there is fan-out */
enum fanout { FANOUT_NONE, FANOUT_ASYNC, FANOUT_QUORUM, FANOUT_ALL }; /* what a write's answer waits for */
enum read_from { READ_NEAREST, READ_HOME };
enum write_to { WRITE_HOME, WRITE_NEAREST };
enum all_down { ALL_DOWN_TRY, ALL_DOWN_REFUSE };

struct rule {
    struct str *patterns;
    unsigned n_patterns;
    struct partition *partitions;
    unsigned n_partitions;
    enum copies copies;
    enum fanout fanout; /* see partition_fans_out() */
    enum read_from read;
    enum write_to write;
    enum all_down all_down;
    bool strict;
    uint64_t cluster_mask; /* of all its partitions */
    struct area *areas;    /* of all its partitions, one after the other */
    unsigned n_areas;
    unsigned index;         /* its place in the map */
    unsigned line, column;  /* in the source */
    unsigned fanout_column; /* of `fanout=` in that line */
    struct str text;        /* the line as written, blanks squeezed */
};

struct partition_map {
    struct rule *rules;
    unsigned n_rules;
    bool has_strict;
    bool has_fanout; /* some partition fans out */
    /* All lines lead every caller to the same clusters: bodies need not be read for second collections. False in doubt. */
    bool is_uniform;
    bool is_implied;                /* no map was given: one cluster serves everything */
    const struct rule_index *index; /* of their patterns */
};

/* Parse SEXTANT_PARTITION_MAP and SEXTANT_AREAS against the topology. Without a map and with one cluster the result is
 * `* *=that-cluster`. Several clusters without a map is an error whose text holds three maps ready to copy. Texts are slices
 * of conf's or live in `arena`; the result is usable only when no error was added. */
struct partition_map *partition_map_parse(
    const struct conf *conf, const struct topology *topology, struct arena *arena, struct conf_issues *issues);

/* The collection that holds Sextant's own notes in a cluster. No line ever matches it: to clients it does not exist. */
#define OWN_COLLECTION "_sextant"

/* First rule with a matching pattern, or NULL. Pure, no allocation. */
const struct rule *partition_map_rule(const struct partition_map *map, struct str collection);
/* The partition with the narrowest area that takes this caller, or NULL; *ret_area says which area did (may be NULL).
 * An unplaced caller (place->source == PLACE_NONE) is taken by `unknown`, else by `*` unless the rule is strict; CIDR areas
 * take callers by address whatever their place. Under a strict rule a place from SEXTANT_DEFAULT_PLACE is no place.
 * Of two named lists that take the same caller the one that lies within the other is the narrower. Pure, no allocation. */
const struct partition *rule_partition(
    const struct rule *rule, const struct addr *address, const struct place *place, const struct area **ret_area);

/* Are writes of this partition recorded here and brought to its copies? Only where there are copies. */
static inline bool
partition_fans_out(const struct rule *rule, const struct partition *part)
{
    return rule->fanout != FANOUT_NONE && part->n_clusters > 1;
}
/* Do all clusters of its partitions hold the collections, or the homes alone? */
static inline bool
rule_has_copies(const struct rule *rule)
{
    return rule->copies == COPIES_EXTERNAL || rule->fanout != FANOUT_NONE;
}
void rule_put_patterns(const struct rule *rule, struct buf *out); /* "users,users_v*": what a line is called */
const char *fanout_name(enum fanout fanout);                      /* "none", "async", ... */

/* Re-readable; named areas are not part of it. */
void partition_map_print(const struct partition_map *map, const struct topology *topology, struct buf *out);
/* The table of `sextant check`: area × rule → clusters in order. */
void partition_map_print_table(const struct partition_map *map, const struct topology *topology, struct buf *out);

#endif
