/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/partition_map.h"

static void
put_options(const struct rule *r, struct buf *out)
{
    if (r->copies == COPIES_EXTERNAL)
        buf_add(out, STR(" copies=external"));
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

static void
put_patterns(const struct rule *r, struct buf *out)
{
    for (unsigned i = 0; i < r->n_patterns; i++)
        buf_printf(out, "%s" STR_FMT, i ? "," : "", STR_ARG(r->patterns[i]));
}

void
partition_map_print(const struct partition_map *map, const struct topology *topology, struct buf *out)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        const struct rule *r = &map->rules[i];

        put_patterns(r, out);
        for (unsigned j = 0; j < r->n_partitions; j++) {
            buf_printf(out, " " STR_FMT "=", STR_ARG(r->partitions[j].name));
            put_clusters(&r->partitions[j], topology, out);
        }
        put_options(r, out);
        buf_putc(out, '\n');
    }
}

static void
put_padded(struct buf *out, struct str text, size_t width)
{
    buf_add(out, text);
    for (size_t i = text.len; i < width; i++)
        buf_putc(out, ' ');
    buf_putc(out, ' ');
}

/* Clusters as a read and a write would go, distance unknown: the configured order. */
static void
put_row(const struct rule *r, const struct partition *part, const struct topology *t, struct buf *out)
{
    struct buf patterns = { 0 };

    put_patterns(r, &patterns);
    put_padded(out, buf_str(&patterns), 24);
    put_padded(out, part->name, 24);
    put_clusters(part, t, out);
    if (part->n_clusters > 1)
        buf_printf(out, "  (reads: %s; writes: %s)", r->read == READ_HOME ? "home first" : "nearest",
            r->write == WRITE_NEAREST ? "nearest" : "home");
    put_options(r, out);
    buf_putc(out, '\n');
    buf_fini(&patterns);
}

void
partition_map_print_table(const struct partition_map *map, const struct topology *topology, struct buf *out)
{
    put_padded(out, STR("COLLECTIONS"), 24);
    put_padded(out, STR("CALLERS FROM"), 24);
    buf_add(out, STR("CLUSTERS, home first\n"));
    for (unsigned i = 0; i < map->n_rules; i++) {
        for (unsigned j = 0; j < map->rules[i].n_partitions; j++)
            put_row(&map->rules[i], &map->rules[i].partitions[j], topology, out);
    }
}
