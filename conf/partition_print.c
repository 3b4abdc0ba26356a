/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/partition_map.h"

const char *
fanout_name(enum fanout fanout)
{
    static const char *const names[] = { "none", "async", "quorum", "all" };

    return names[fanout];
}

static void
put_options(const struct rule *r, struct buf *out)
{
    if (r->copies == COPIES_EXTERNAL)
        buf_add(out, STR(" copies=external"));
    if (r->fanout != FANOUT_NONE)
        buf_printf(out, " fanout=%s", fanout_name(r->fanout));
    if (r->read == READ_HOME)
        buf_add(out, STR(" read=home"));
    if (r->write == WRITE_NEAREST)
        buf_add(out, STR(" write=nearest"));
    if (r->all_down == ALL_DOWN_REFUSE)
        buf_add(out, STR(" all_down=refuse"));
    if (r->strict)
        buf_add(out, STR(" residency=strict"));
}

static void
put_clusters(const struct partition *part, const struct topology *t, struct buf *out)
{
    for (unsigned i = 0; i < part->n_clusters; i++)
        buf_printf(out, "%s" STR_FMT, i ? "," : "", STR_ARG(t->clusters[part->clusters[i]].name));
}

void
rule_put_patterns(const struct rule *r, struct buf *out)
{
    for (unsigned i = 0; i < r->n_patterns; i++)
        buf_printf(out, "%s" STR_FMT, i ? "," : "", STR_ARG(r->patterns[i]));
}

void
partition_map_print(const struct partition_map *map, const struct topology *topology, struct buf *out)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        const struct rule *r = &map->rules[i];

        rule_put_patterns(r, out);
        for (unsigned j = 0; j < r->n_partitions; j++) {
            buf_printf(out, " " STR_FMT "=", STR_ARG(r->partitions[j].name));
            put_clusters(&r->partitions[j], topology, out);
        }
        put_options(r, out);
        buf_putc(out, '\n');
    }
}

/* --- the table --------------------------------------------------------------------------------------------------- */

enum { N_COLUMNS = 4 };

/* Rows of cells; written once their widths are known. */
struct table {
    struct arena arena;
    struct buf cells; /* struct str, N_COLUMNS a row */
    size_t width[N_COLUMNS];
};

static void
add_row(struct table *t, struct str a, struct str b, struct str c, struct str d)
{
    struct str row[N_COLUMNS] = { a, b, c, d };

    for (unsigned i = 0; i < N_COLUMNS; i++) {
        row[i] = arena_str(&t->arena, row[i]);
        t->width[i] = row[i].len > t->width[i] ? row[i].len : t->width[i];
    }
    buf_append(&t->cells, row, sizeof(row));
}

static void
put_table(struct table *t, struct buf *out)
{
    struct str row[N_COLUMNS];

    while (buf_len(&t->cells)) {
        unsigned last = N_COLUMNS;

        memcpy(row, buf_str(&t->cells).p, sizeof(row));
        buf_consume(&t->cells, sizeof(row));
        while (last && row[last - 1].len == 0)
            last--;
        for (unsigned i = 0; i < last; i++)
            buf_printf(
                out, "%-*.*s%s", i + 1 < last ? (int)t->width[i] : 0, STR_ARG(row[i]), i + 1 < last ? "  " : "\n");
    }
    buf_fini(&t->cells);
    arena_fini(&t->arena);
}

/* What a cluster seems to cost before anything is measured (the seed that health begins with). */
static double
seed_cost(const struct topology *t, unsigned cluster)
{
    const struct cluster_conf *c = &t->clusters[cluster];

    return (1 + place_distance_km(&t->region, &c->at) / 60) * (1 - c->bias / 100);
}

/* A read's candidates: nearest first where the edge's place is known; read=home begins with the home. */
static struct str
read_order(const struct rule *r, const struct partition *part, const struct topology *t, struct arena *a)
{
    uint8_t order[CLUSTERS_MAX];
    unsigned fixed = r->read == READ_HOME ? 1 : 0;
    struct buf names = { 0 };
    struct str copy;

    memcpy(order, part->clusters, part->n_clusters);
    for (unsigned i = fixed; t->has_region && i < part->n_clusters; i++) {
        uint8_t cluster = order[i];
        unsigned j = i;

        for (; j > fixed && seed_cost(t, order[j - 1]) > seed_cost(t, cluster); j--)
            order[j] = order[j - 1];
        order[j] = cluster;
    }
    for (unsigned i = 0; i < part->n_clusters; i++)
        buf_printf(&names, "%s" STR_FMT, i ? "," : "", STR_ARG(t->clusters[order[i]].name));
    copy = arena_str(a, buf_str(&names));
    buf_fini(&names);
    return copy;
}

static void
add_partition(struct table *table, const struct rule *r, struct str patterns, unsigned index, const struct topology *t)
{
    const struct partition *part = &r->partitions[index];
    struct str reads = read_order(r, part, t, &table->arena);
    struct str writes = r->write == WRITE_NEAREST ? reads : t->clusters[part->clusters[0]].name;

    for (unsigned i = 1; i < part->n_clusters && r->fanout != FANOUT_NONE; i++)
        writes = arena_printf(&table->arena, STR_FMT "%s" STR_FMT, STR_ARG(writes), i == 1 ? ", then " : ",",
            STR_ARG(t->clusters[part->clusters[i]].name));
    add_row(table, index ? STR("") : patterns, part->name, reads, writes);
}

static void
add_refused(struct table *table, const struct rule *r)
{
    bool has_any = false, has_unknown = false;

    for (unsigned i = 0; i < r->n_areas; i++) {
        has_any |= r->areas[i].kind == AREA_ANY;
        has_unknown |= r->areas[i].kind == AREA_UNKNOWN;
    }
    if (!has_any)
        add_row(table, STR(""), has_unknown ? STR("(elsewhere)") : STR("(elsewhere, unplaced)"), STR("refused, 403"),
            STR(""));
    else if (r->strict && !has_unknown)
        add_row(table, STR(""), STR("(unplaced)"), STR("refused, 403"), STR(""));
}

static void
add_rule(struct table *table, const struct rule *r, const struct topology *t)
{
    struct buf patterns = { 0 };

    rule_put_patterns(r, &patterns);
    put_options(r, &patterns);
    for (unsigned i = 0; i < r->n_partitions; i++)
        add_partition(table, r, buf_str(&patterns), i, t);
    add_refused(table, r);
    buf_fini(&patterns);
}

void
partition_map_print_table(const struct partition_map *map, const struct topology *topology, struct buf *out)
{
    struct table table = { .width = { 23, 23 } };

    add_row(&table, STR("COLLECTIONS"), STR("CALLERS FROM"), STR("READS, IN ORDER"), STR("WRITES"));
    for (unsigned i = 0; i < map->n_rules; i++)
        add_rule(&table, &map->rules[i], topology);
    if (!partition_map_rule(map, STR("")))
        add_row(&table, STR("(others)"), STR("anywhere"), STR("no such collection, 404"), STR(""));
    put_table(&table, out);
}
