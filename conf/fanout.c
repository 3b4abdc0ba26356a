/* SPDX-License-Identifier: Apache-2.0
 *
 * All checks that need more than the map: what holds within it is in partition_check.c.
 */
#include "conf/fanout.h"

#include "conf/area_set.h"
#include "conf/scan.h"
#include "proxy/base/json.h"

struct checker {
    const struct conf *conf;
    const struct topology *t;
    const struct partition_map *map;
    struct scan scan; /* of the map */
    struct fanout_conf *f;
    const struct edges_conf *edges;
    struct arena *arena;
    struct conf_issues *issues;
};

static struct word
at_option(const struct rule *r)
{
    return (struct word){ .line = r->line, .column = r->fanout_column };
}

/* --- SEXTANT_OWNS ------------------------------------------------------------------------------------------------ */

static void
read_owned(struct checker *c, struct scan *list, struct word item)
{
    int index = topology_find(c->t, item.text);

    if (index < 0 && c->t->n_clusters)
        scan_error(list, item, "no cluster is called \"" STR_FMT "\"" STR_FMT, STR_ARG(item.text),
            STR_ARG(topology_suggest(c->t, item.text, c->arena)));
    else if (index >= 0 && c->f->owns >> index & 1)
        scan_error(list, item, "cluster " STR_FMT " is listed twice", STR_ARG(item.text));
    else if (index >= 0 && !(c->f->homes >> index & 1))
        scan_error(
            list, item, "cluster " STR_FMT " is the home of no partition with fanout= and copies", STR_ARG(item.text));
    if (index >= 0)
        c->f->owns |= UINT64_C(1) << index;
}

static void
read_owns(struct checker *c)
{
    struct scan list = scan_option(c->conf, "owns", c->conf->owns, c->issues);
    struct word *items;
    unsigned n;

    items = scan_list(&list, c->arena, &n);
    for (unsigned i = 0; i < n; i++)
        read_owned(c, &list, items[i]);
    if (c->edges->has_own && n == 0)
        c->f->owns = c->edges->own_owns;
    else if (c->edges->has_own && c->f->owns != c->edges->own_owns)
        conf_option_issue(c->issues, true, c->conf, "owns",
            "the line of this edge in SEXTANT_EDGES says otherwise: leave one of them out");
}

/* Each home has one owner, and what other edges are said to own is a home. */
static void
check_edges(struct checker *c)
{
    struct scan scan = scan_option(c->conf, "edges", c->conf->edges, c->issues);

    for (unsigned i = 0; i < c->edges->n; i++) {
        const struct edge_conf *e = &c->edges->items[i];
        struct word at = { .line = e->line, .column = e->column };

        for (unsigned k = 0; k < c->t->n_clusters; k++) {
            if (!(e->owns >> k & 1))
                continue;
            if (c->f->owns >> k & 1)
                scan_error(&scan, at, "edge " STR_FMT " owns " STR_FMT ", and so does this one", STR_ARG(e->name),
                    STR_ARG(c->t->clusters[k].name));
            else if (!(c->f->homes >> k & 1))
                scan_error(&scan, at,
                    "edge " STR_FMT " owns " STR_FMT ", which is the home of no partition with fanout= and copies",
                    STR_ARG(e->name), STR_ARG(c->t->clusters[k].name));
        }
    }
}

/* --- homes ------------------------------------------------------------------------------------------------------- */

static void
check_home(struct checker *c, const struct partition *part)
{
    const struct cluster_conf *home = &c->t->clusters[part->clusters[0]];
    struct word at = { .line = part->line, .column = part->column };

    if (fanout_owner(c->f, home->index) == -2)
        scan_error(&c->scan, at,
            "nobody journals for the home " STR_FMT " of partition " STR_FMT
            ": put it into SEXTANT_OWNS of this edge, or "
            "after owns= of another in SEXTANT_EDGES",
            STR_ARG(home->name), STR_ARG(part->name));
    if (home->options.jwt_rbac)
        scan_error(&c->scan, at,
            "the home " STR_FMT " of partition " STR_FMT
            " has JWT_RBAC: it would enforce what a token may write only after the write was recorded",
            STR_ARG(home->name), STR_ARG(part->name));
}

static void
find_homes(struct checker *c)
{
    for (unsigned i = 0; i < c->map->n_rules; i++) {
        const struct rule *r = &c->map->rules[i];

        for (unsigned j = 0; j < r->n_partitions; j++) {
            if (partition_fans_out(r, &r->partitions[j]))
                c->f->homes |= UINT64_C(1) << r->partitions[j].clusters[0];
        }
    }
}

static bool
is_owned_here(const struct checker *c, const struct rule *r)
{
    for (unsigned i = 0; i < r->n_partitions; i++) {
        if (partition_fans_out(r, &r->partitions[i]) && c->f->owns >> r->partitions[i].clusters[0] & 1)
            return true;
    }
    return false;
}

static void
check_rule(struct checker *c, const struct rule *r, const struct keys *keys)
{
    if (str_trim(c->conf->journal_dir).len == 0 && (is_owned_here(c, r) || c->edges->n == 0))
        scan_error(&c->scan, at_option(r),
            "fanout= needs SEXTANT_JOURNAL_DIR, a directory on a local disk: what is "
            "not recorded first can be lost");
    if (!keys->is_on)
        scan_error(&c->scan, at_option(r),
            "fanout= needs SEXTANT_API_KEY: who may write is decided here before a write "
            "is recorded, and copies are written with this edge's own keys");
    for (unsigned i = 0; i < r->n_partitions; i++) {
        if (partition_fans_out(r, &r->partitions[i]))
            check_home(c, &r->partitions[i]);
    }
}

static bool
fans_out(const struct rule *r)
{
    for (unsigned i = 0; i < r->n_partitions; i++) {
        if (partition_fans_out(r, &r->partitions[i]))
            return true;
    }
    return false;
}

/* Members of SEXTANT_CLUSTER_…_SCHEMA go into a request that makes a collection. */
static void
check_schema(const struct checker *c, const struct cluster_conf *cluster)
{
    static const char *const homes[] = { "vectors", "sparse_vectors", "sharding_method", "metadata" };
    struct json_doc *doc = json_parse(cluster->options.schema, NULL, NULL);
    struct json root = json_root(doc);
    struct str key;

    if (json_type(root) != JSON_OBJECT || json_has_duplicate_key(root, &key))
        cluster_option_issue(c->issues, true, cluster, "schema", "it is not a JSON object");
    for (unsigned i = 0; i < sizeof(homes) / sizeof(homes[0]); i++) {
        if (json_type(json_get(root, homes[i])) != JSON_NONE)
            cluster_option_issue(c->issues, true, cluster, "schema",
                "\"%s\" decides which data fit, and is home's in every cluster", homes[i]);
    }
    json_free(doc);
}

static uint64_t
line_hash(const struct rule *r, const struct topology *t)
{
    struct buf text = { 0 };
    struct digest digest;
    uint64_t hash;

    buf_printf(&text, "%s %d", fanout_name(r->fanout), r->strict);
    for (unsigned i = 0; i < r->n_partitions; i++) {
        const struct partition *part = &r->partitions[i];

        buf_printf(&text, " " STR_FMT "=", STR_ARG(part->name));
        for (unsigned k = 0; k < part->n_areas; k++) {
            if (part->areas[k].set)
                area_set_print(part->areas[k].set, &text);
        }
        for (unsigned k = 0; k < part->n_clusters; k++)
            buf_printf(&text, STR_FMT ",", STR_ARG(t->clusters[part->clusters[k]].name));
    }
    digest = digest_sha256(buf_str(&text));
    memcpy(&hash, digest.bytes, sizeof(hash));
    buf_fini(&text);
    return hash;
}

struct fanout_conf *
fanout_parse(const struct conf *conf, const struct topology *t, const struct partition_map *map,
    const struct keys *keys, const struct edges_conf *edges, struct arena *arena, struct conf_issues *issues)
{
    struct checker c = { .conf = conf, .t = t, .map = map, .edges = edges, .arena = arena, .issues = issues };

    c.f = ARENA_NEW(arena, struct fanout_conf);
    c.f->edges = edges;
    c.f->lines = ARENA_ARRAY(arena, map->n_rules + 1, uint64_t);
    c.scan = scan_option(conf, "partition_map", conf->partition_map, issues);
    find_homes(&c);
    read_owns(&c);
    check_edges(&c);
    for (unsigned i = 0; i < t->n_clusters; i++) {
        if (t->clusters[i].options.schema.len)
            check_schema(&c, &t->clusters[i]);
    }
    for (unsigned i = 0; i < map->n_rules; i++) {
        c.f->lines[i] = line_hash(&map->rules[i], t);
        if (fans_out(&map->rules[i]))
            check_rule(&c, &map->rules[i], keys);
    }
    if (conf->journal_dir.len && str_eq(conf->journal_dir, conf->state_dir))
        conf_option_issue(issues, true, conf, "journal_dir",
            "it is SEXTANT_STATE_DIR as well: the journal needs a directory of its own");
    if (conf->journal_dir.len && c.f->homes == 0)
        conf_option_issue(issues, false, conf, "journal_dir", "no line of the map has fanout=: it has no effect");
    return c.f;
}
