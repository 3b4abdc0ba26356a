/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing a line: patterns, then `areas=clusters` for each partition, then options. Options are the few words whose
 * left-hand side is a known key; everything else with a '=' is a partition. What holds between partitions and between lines
 * is checked in partition_check.c once all are there.
 */
#include "conf/partition_map.h"

#include "conf/areas.h"
#include "conf/partition_check.h"
#include "conf/scan.h"

enum { RULES = 256, PARTITIONS_MAX = 64 };

struct parser {
    struct scan scan;
    struct arena *arena;
    const struct topology *t;
    const struct areas *areas;
    struct partition_map *map;
};

/* --- options ----------------------------------------------------------------------------------------------------- */

struct choice_value {
    const char *name;
    int value;
};

static bool
choose(struct parser *p, struct word w, struct str value, const struct choice_value *choices, int *ret_value)
{
    struct buf names = { 0 };

    for (const struct choice_value *c = choices; c->name; c++) {
        if (str_eq(value, str_from(c->name))) {
            *ret_value = c->value;
            buf_fini(&names);
            return true;
        }
        buf_printf(&names, "%s%s", buf_len(&names) ? " or " : "", c->name);
    }
    scan_error(&p->scan, w, "expected " STR_FMT ", not \"" STR_FMT "\"", STR_ARG(buf_str(&names)), STR_ARG(value));
    buf_fini(&names);
    return false;
}

/* True when the word is an option, understood or not. */
static bool
parse_option(struct parser *p, struct rule *r, struct word w)
{
    static const struct choice_value copies[] = { { "external", COPIES_EXTERNAL }, { NULL, 0 } };
    static const struct choice_value reads[] = { { "nearest", READ_NEAREST }, { "home", READ_HOME }, { NULL, 0 } };
    static const struct choice_value writes[] = { { "home", WRITE_HOME }, { "nearest", WRITE_NEAREST }, { NULL, 0 } };
    static const struct choice_value downs[] = { { "try", ALL_DOWN_TRY }, { "refuse", ALL_DOWN_REFUSE }, { NULL, 0 } };
    static const struct choice_value stricts[] = { { "strict", 1 }, { "none", 0 }, { NULL, 0 } };
    struct str key, value;
    struct word at;
    int chosen = 0;

    if (!str_cut(w.text, '=', &key, &value))
        return false;
    at = word_from(w, key.len + 1);
    if (str_eq(key, STR("copies"))) {
        if (choose(p, at, value, copies, &chosen))
            r->copies = (enum copies)chosen;
    } else if (str_eq(key, STR("read"))) {
        if (choose(p, at, value, reads, &chosen))
            r->read = (enum read_from)chosen;
    } else if (str_eq(key, STR("write"))) {
        if (choose(p, at, value, writes, &chosen))
            r->write = (enum write_to)chosen;
    } else if (str_eq(key, STR("all_down"))) {
        if (choose(p, at, value, downs, &chosen))
            r->all_down = (enum all_down)chosen;
    } else if (str_eq(key, STR("residency"))) {
        if (choose(p, at, value, stricts, &chosen))
            r->strict = chosen;
    } else if (str_eq(key, STR("fanout"))) {
        scan_error(
            &p->scan, w, "fanout is not in this version: use copies=external, or one cluster for each partition");
        r->copies = COPIES_EXTERNAL; /* so that the same line is not blamed twice */
    } else {
        return false;
    }
    return true;
}

/* --- partitions -------------------------------------------------------------------------------------------------- */

static void
parse_clusters(struct parser *p, struct partition *part, struct word list)
{
    struct word item;

    while (word_item(&list, &item)) {
        int index = topology_find(p->t, item.text);
        struct str names[CLUSTERS_MAX];

        if (index >= 0 && part->cluster_mask >> index & 1) {
            scan_error(&p->scan, item, "cluster " STR_FMT " is listed twice", STR_ARG(item.text));
        } else if (index >= 0) {
            part->clusters[part->n_clusters++] = (uint8_t)index;
            part->cluster_mask |= UINT64_C(1) << index;
        } else {
            for (unsigned i = 0; i < p->t->n_clusters; i++)
                names[i] = p->t->clusters[i].name;
            struct str hint = scan_suggest(p->arena, item.text, names, p->t->n_clusters);

            scan_error(
                &p->scan, item, "no cluster is called \"" STR_FMT "\"" STR_FMT, STR_ARG(item.text), STR_ARG(hint));
        }
    }
}

static void
parse_areas(struct parser *p, struct partition *part, struct word list)
{
    struct word item;
    unsigned cap = 1;

    for (size_t i = 0; i < list.text.len; i++)
        cap += list.text.p[i] == ',';
    part->areas = ARENA_ARRAY(p->arena, cap, struct area);
    while (word_item(&list, &item)) {
        if (area_parse(p->areas, &p->scan, item, p->arena, &part->areas[part->n_areas]))
            part->n_areas++;
    }
}

static void
parse_partition(struct parser *p, struct rule *r, struct word w)
{
    struct partition *part = &r->partitions[r->n_partitions];
    struct str left, right;
    struct word areas = w;

    if (!str_cut(w.text, '=', &left, &right) || left.len == 0 || right.len == 0) {
        scan_error(&p->scan, w,
            "\"" STR_FMT "\" is not understood: expected areas=cluster[,cluster...], copies=, read=, write=, all_down= "
            "or residency=",
            STR_ARG(w.text));
        return;
    }
    if (r->n_partitions == PARTITIONS_MAX) {
        scan_error(&p->scan, w, "a line may have %d partitions at most", PARTITIONS_MAX);
        return;
    }
    *part = (struct partition){ .name = left, .index = r->n_partitions, .line = w.line, .column = w.column };
    areas.text.len = left.len;
    parse_areas(p, part, areas);
    parse_clusters(p, part, word_from(w, left.len + 1));
    r->cluster_mask |= part->cluster_mask;
    r->n_partitions++;
}

static void
parse_patterns(struct parser *p, struct rule *r, struct word list)
{
    struct word item;
    unsigned cap = 1;

    for (size_t i = 0; i < list.text.len; i++)
        cap += list.text.p[i] == ',';
    r->patterns = ARENA_ARRAY(p->arena, cap, struct str);
    while (word_item(&list, &item)) {
        if (item.text.len == 0)
            scan_error(&p->scan, item, "an empty collection pattern");
        else if (str_find(item.text, '=') >= 0)
            scan_error(&p->scan, item,
                "a line begins with collection patterns such as users or docs-*, not \"" STR_FMT "\"",
                STR_ARG(item.text));
        else
            r->patterns[r->n_patterns++] = item.text;
    }
}

static struct str
squeeze(struct arena *arena, const struct word *words, unsigned n)
{
    struct buf text = { 0 };
    struct str copy;

    for (unsigned i = 0; i < n; i++) {
        if (i)
            buf_putc(&text, ' ');
        buf_add(&text, words[i].text);
    }
    copy = arena_str(arena, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static void
parse_rule(struct parser *p, const struct word *words, unsigned n)
{
    struct rule *r = &p->map->rules[p->map->n_rules];

    *r = (struct rule){ .index = p->map->n_rules, .line = words[0].line, .column = words[0].column };
    r->text = squeeze(p->arena, words, n);
    r->partitions = ARENA_ARRAY(p->arena, n < PARTITIONS_MAX ? n : PARTITIONS_MAX, struct partition);
    parse_patterns(p, r, words[0]);
    for (unsigned i = 1; i < n; i++) {
        if (!parse_option(p, r, words[i]))
            parse_partition(p, r, words[i]);
    }
    if (r->n_partitions == 0)
        scan_error(&p->scan, words[0], "the line has no partition: expected such as *=%s",
            p->t->n_clusters ? p->t->clusters[0].name.p : "eu");
    p->map->has_strict |= r->strict;
    p->map->n_rules++;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static struct str
implied_text(struct arena *arena, const struct topology *t)
{
    return arena_printf(arena, "* *=" STR_FMT, STR_ARG(t->clusters[0].name));
}

struct partition_map *
partition_map_parse(
    const struct conf *conf, const struct topology *topology, struct arena *arena, struct conf_issues *issues)
{
    struct partition_map *map = ARENA_NEW(arena, struct partition_map);
    struct areas *areas = areas_parse(conf, arena, issues);
    struct str text = conf->partition_map, source = conf_source(conf, "partition_map");
    struct parser p = { .arena = arena, .t = topology, .areas = areas, .map = map };
    struct word *words;
    unsigned n;

    map->rules = ARENA_ARRAY(arena, RULES, struct rule);
    if (str_trim(text).len == 0) {
        if (topology->n_clusters > 1)
            partition_check_missing(topology, issues);
        if (topology->n_clusters == 0)
            return map;
        map->is_implied = true;
        text = implied_text(arena, topology);
    }
    p.scan = scan_begin(source, text, issues);
    while (scan_entry(&p.scan, arena, &words, &n)) {
        if (map->n_rules == RULES) {
            scan_error(&p.scan, words[0], "there may be %d lines at most", RULES);
            break;
        }
        parse_rule(&p, words, n);
    }
    partition_check(map, topology, areas, &p.scan);
    return map;
}

/* From the end, as what names have in common is the beginning: most lines are done with after a byte or two. */
static bool
matches(struct str pattern, struct str collection)
{
    while (pattern.len && pattern.p[pattern.len - 1] != '*') {
        if (collection.len == 0 || pattern.p[pattern.len - 1] != collection.p[collection.len - 1])
            return false;
        pattern.len--;
        collection.len--;
    }
    return pattern.len ? str_glob(pattern, collection) : collection.len == 0;
}

const struct rule *
partition_map_rule(const struct partition_map *map, struct str collection)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        const struct rule *r = &map->rules[i];

        for (unsigned j = 0; j < r->n_patterns; j++) {
            if (matches(r->patterns[j], collection))
                return r;
        }
    }
    return NULL;
}

/* Narrower beats broader; of two networks the longer prefix. */
static bool
is_narrower(const struct area *a, const struct area *b)
{
    if (!b || a->kind != b->kind)
        return !b || a->kind < b->kind;
    return a->kind == AREA_CIDR && a->cidr.bits > b->cidr.bits;
}

const struct partition *
rule_partition(
    const struct rule *rule, const struct addr *address, const struct place *place, const struct area **ret_area)
{
    static const struct place nowhere = { .source = PLACE_NONE };
    const struct partition *best = NULL;
    const struct area *best_area = NULL;

    if (rule->strict && place->source == PLACE_DEFAULT)
        place = &nowhere;
    for (unsigned i = 0; i < rule->n_partitions; i++) {
        const struct partition *part = &rule->partitions[i];

        for (unsigned j = 0; j < part->n_areas; j++) {
            const struct area *a = &part->areas[j];
            bool is_wild = a->kind == AREA_ANY && place->source == PLACE_NONE && rule->strict;
            /* `unknown` is exactly the unplaced, so it goes before `*` for them. */
            bool is_exact = a->kind == AREA_UNKNOWN && best_area && best_area->kind == AREA_ANY;

            if (is_wild || !area_takes(a, address, place))
                continue;
            if (is_exact ||
                (is_narrower(a, best_area) && !(best_area && best_area->kind == AREA_UNKNOWN && a->kind == AREA_ANY))) {
                best = part;
                best_area = a;
            }
        }
    }
    if (best && ret_area)
        *ret_area = best_area;
    return best;
}
