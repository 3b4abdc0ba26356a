/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing a line: patterns, then `areas=clusters` for each partition, then options. Options are the few words whose
 * left-hand side is a known key; everything else with a '=' is a partition. What holds between partitions and between lines
 * is checked in partition_check.c once all are there.
 */
#include "conf/partition_map.h"

#include "conf/areas.h"
#include "conf/partition_check.h"
#include "conf/partition_find.h"

enum { RULES = 256, PARTITIONS_MAX = 64, AREAS_MAX = 1024, NAME_LEN_MAX = 255 };

struct parser {
    struct scan scan;
    struct arena *arena;
    const struct topology *t;
    const struct areas *areas;
    struct partition_map *map;
    struct rule_places *places;
};

/* --- options ----------------------------------------------------------------------------------------------------- */

enum key_id { KEY_COPIES, KEY_READ, KEY_WRITE, KEY_ALL_DOWN, KEY_RESIDENCY, KEY_FANOUT, N_KEYS };
enum { N_VALUES = 4 };

static const struct key {
    struct str name;
    const char *values[N_VALUES]; /* in the order of their enum; NULL: that one cannot be asked for */
} keys[N_KEYS] = {
    [KEY_COPIES] = { { "copies", 6 }, { NULL, "external" } },
    [KEY_READ] = { { "read", 4 }, { "nearest", "home" } },
    [KEY_WRITE] = { { "write", 5 }, { "home", "nearest" } },
    [KEY_ALL_DOWN] = { { "all_down", 8 }, { "try", "refuse" } },
    [KEY_RESIDENCY] = { { "residency", 9 }, { NULL, "strict" } },
    [KEY_FANOUT] = { { "fanout", 6 }, { NULL, "async", "quorum", "all" } },
};

static int
find_key(struct str name)
{
    for (int i = 0; i < N_KEYS; i++) {
        if (str_eq(keys[i].name, name))
            return i;
    }
    return -1;
}

/* The number of the value, or -1 after saying which there are. */
static int
choose(struct parser *p, const struct key *key, struct word value)
{
    struct str names[N_VALUES], hint;
    unsigned n = 0;

    for (int i = 0; i < N_VALUES; i++) {
        if (!key->values[i])
            continue;
        if (str_eq(value.text, str_from(key->values[i])))
            return i;
        names[n++] = str_from(key->values[i]);
    }
    hint = names[0];
    for (unsigned i = 1; i < n; i++)
        hint = arena_printf(
            p->arena, STR_FMT "%s" STR_FMT, STR_ARG(hint), i + 1 < n ? ", " : " or ", STR_ARG(names[i]));
    scan_error(&p->scan, value, STR_FMT "= takes " STR_FMT ", not \"" STR_FMT "\"" STR_FMT, STR_ARG(key->name),
        STR_ARG(hint), STR_ARG(value.text), STR_ARG(scan_suggest(p->arena, value.text, names, n)));
    return -1;
}

static void
set_option(struct rule *r, struct rule_places *places, enum key_id id, int value, struct word w)
{
    switch (id) {
    case KEY_COPIES:
        r->copies = (enum copies)value;
        places->copies = w;
        return;
    case KEY_READ:
        r->read = (enum read_from)value;
        return;
    case KEY_WRITE:
        r->write = (enum write_to)value;
        places->write = w;
        return;
    case KEY_ALL_DOWN:
        r->all_down = (enum all_down)value;
        return;
    case KEY_RESIDENCY:
        r->strict = value;
        return;
    case KEY_FANOUT:
        r->fanout = (enum fanout)value;
        r->fanout_column = w.column;
        places->fanout = w;
        return;
    case N_KEYS:
        return;
    }
}

static void
parse_option(struct parser *p, struct rule *r, enum key_id id, struct word w, unsigned *seen)
{
    const struct key *key = &keys[id];
    int value;

    if (*seen >> id & 1) {
        scan_error(&p->scan, w, STR_FMT "= is given twice", STR_ARG(key->name));
        return;
    }
    *seen |= 1U << id;
    value = choose(p, key, word_from(w, key->name.len + 1));
    if (value >= 0)
        set_option(r, &p->places[r->index], id, value, w);
    else if (id == KEY_COPIES || id == KEY_FANOUT)
        r->copies = COPIES_EXTERNAL; /* so that the same line is not blamed twice */
}

/* --- partitions -------------------------------------------------------------------------------------------------- */

static void
parse_clusters(struct parser *p, struct partition *part, struct word list)
{
    struct word item;

    while (word_item(&list, &item)) {
        int index = topology_find(p->t, item.text);

        if (index >= 0 && part->cluster_mask >> index & 1) {
            scan_error(&p->scan, item, "cluster " STR_FMT " is listed twice", STR_ARG(item.text));
        } else if (index >= 0) {
            part->clusters[part->n_clusters++] = (uint8_t)index;
            part->cluster_mask |= UINT64_C(1) << index;
        } else if (p->t->n_clusters) { /* without any that is what has been told */
            scan_error(&p->scan, item, "no cluster is called \"" STR_FMT "\"" STR_FMT, STR_ARG(item.text),
                STR_ARG(topology_suggest(p->t, item.text, p->arena)));
        }
    }
}

static void
parse_areas(struct parser *p, struct rule *r, struct partition *part, struct word list)
{
    struct word item;

    part->areas = &r->areas[r->n_areas];
    while (word_item(&list, &item)) {
        struct area *a = &r->areas[r->n_areas];

        if (r->n_areas == AREAS_MAX) {
            scan_error(&p->scan, item, "a line may name %d areas at most: put networks into a list of SEXTANT_AREAS",
                AREAS_MAX);
            return;
        }
        if (!area_parse(p->areas, &p->scan, item, p->arena, a))
            continue;
        a->index = r->n_areas++;
        part->n_areas++;
    }
}

/* A mistyped option looks like a partition: it is one only if some of its areas exist. */
static bool
is_mistyped_option(struct parser *p, struct word w, struct str left)
{
    struct str names[N_KEYS], hint;

    for (unsigned i = 0; i < N_KEYS; i++)
        names[i] = keys[i].name;
    if (str_find(left, ',') >= 0 || area_is_known(p->areas, left))
        return false;
    hint = scan_suggest(p->arena, left, names, N_KEYS);
    if (hint.len)
        scan_error(
            &p->scan, w, "\"" STR_FMT "\" is neither an option nor an area" STR_FMT, STR_ARG(left), STR_ARG(hint));
    return hint.len > 0;
}

static void
parse_partition(struct parser *p, struct rule *r, struct word w)
{
    struct partition *part = &r->partitions[r->n_partitions];
    struct str left, right;
    struct word areas = w;

    if (!str_cut(w.text, '=', &left, &right) || left.len == 0 || right.len == 0) {
        scan_error(&p->scan, w,
            "\"" STR_FMT "\" is not understood: expected areas=cluster[,cluster...], fanout=, copies=, read=, "
            "write=, all_down= or residency=",
            STR_ARG(w.text));
        return;
    }
    if (is_mistyped_option(p, w, left))
        return;
    if (r->n_partitions == PARTITIONS_MAX) {
        scan_error(&p->scan, w, "a line may have %d partitions at most", PARTITIONS_MAX);
        return;
    }
    *part = (struct partition){ .name = left, .index = r->n_partitions, .line = w.line, .column = w.column };
    areas.text.len = left.len;
    parse_areas(p, r, part, areas);
    parse_clusters(p, part, word_from(w, left.len + 1));
    r->cluster_mask |= part->cluster_mask;
    r->n_partitions++;
}

/* --- patterns ---------------------------------------------------------------------------------------------------- */

/* NULL, or why no collection of Qdrant can have a name like that. */
static const char *
pattern_error(struct str pattern)
{
    if (pattern.len == 0)
        return "an empty collection pattern";
    if (pattern.len > NAME_LEN_MAX)
        return "a collection's name has 255 bytes at most";
    if (str_eq(pattern, STR(OWN_COLLECTION)))
        return "this collection holds Sextant's own notes: clients never see it";
    for (size_t i = 0; i < pattern.len; i++) {
        unsigned char c = (unsigned char)pattern.p[i];

        if (c == '=')
            return "a line begins with collection patterns such as users or docs-*";
        if (c == '?' || c == '[' || c == ']')
            return "the only wildcard of a collection pattern is *";
        if (c < 0x20 || c == 0x7f || strchr("<>:\"/\\|", (char)c))
            return "no collection's name may hold one of < > : \" / \\ | or a control character";
    }
    return NULL;
}

static void
parse_patterns(struct parser *p, struct rule *r, struct word list)
{
    struct word item;

    r->patterns = ARENA_ARRAY(p->arena, word_count(list), struct str);
    while (word_item(&list, &item)) {
        const char *error = pattern_error(item.text);

        if (error)
            scan_error(&p->scan, item, "\"" STR_FMT "\": %s", STR_ARG(item.text), error);
        else
            r->patterns[r->n_patterns++] = item.text;
    }
}

/* --- lines ------------------------------------------------------------------------------------------------------- */

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

static unsigned
most_areas(const struct word *words, unsigned n)
{
    unsigned most = 1;

    for (unsigned i = 1; i < n; i++)
        most += word_count(words[i]);
    return most < AREAS_MAX ? most : AREAS_MAX;
}

static void
parse_rule(struct parser *p, const struct word *words, unsigned n)
{
    struct rule *r = &p->map->rules[p->map->n_rules];
    unsigned seen = 0;

    *r = (struct rule){ .index = p->map->n_rules, .line = words[0].line, .column = words[0].column };
    r->text = squeeze(p->arena, words, n);
    r->partitions = ARENA_ARRAY(p->arena, n < PARTITIONS_MAX ? n : PARTITIONS_MAX, struct partition);
    r->areas = ARENA_ARRAY(p->arena, most_areas(words, n) + 1, struct area);
    parse_patterns(p, r, words[0]);
    for (unsigned i = 1; i < n; i++) {
        struct str key, value;
        int id = str_cut(words[i].text, '=', &key, &value) ? find_key(key) : -1;

        if (id >= 0)
            parse_option(p, r, (enum key_id)id, words[i], &seen);
        else
            parse_partition(p, r, words[i]);
    }
    if (n == 1 || (r->n_partitions == 0 && p->scan.issues->n_errors == 0))
        scan_error(&p->scan, words[0], "the line has no partition: expected such as *=" STR_FMT,
            STR_ARG(p->t->n_clusters ? p->t->clusters[0].name : STR("eu")));
    partition_set_widths(r);
    p->map->has_strict |= r->strict;
    for (unsigned i = 0; i < r->n_partitions; i++)
        p->map->has_fanout |= partition_fans_out(r, &r->partitions[i]);
    p->map->n_rules++;
}

/* --- the whole --------------------------------------------------------------------------------------------------- */

static void
parse_lines(struct parser *p)
{
    struct word *words;
    unsigned n;

    while (scan_entry(&p->scan, p->arena, &words, &n)) {
        if (p->map->n_rules == RULES) {
            scan_error(&p->scan, words[0], "a map may have %d lines at most", RULES);
            return;
        }
        parse_rule(p, words, n);
    }
}

/* No map: one cluster serves everything, several are a mistake. False when there is nothing to parse. */
static bool
imply(struct parser *p, const struct conf *conf, struct conf_issues *issues)
{
    struct buf text = { 0 };
    struct str line;

    if (p->t->n_clusters == 0 || conf_origin(conf, "partition_map")->is_bad)
        return false;
    if (p->t->n_clusters > 1) {
        partition_suggest(p->t, &text);
        conf_issue(issues, true, conf_source(conf, "partition_map"), 0, 0, STR_FMT, STR_ARG(buf_str(&text)));
        buf_fini(&text);
        return false;
    }
    line = arena_printf(p->arena, "* *=" STR_FMT, STR_ARG(p->t->clusters[0].name));
    p->scan = scan_begin(conf_source(conf, "partition_map"), line, issues);
    p->map->is_implied = true;
    return true;
}

struct partition_map *
partition_map_parse(
    const struct conf *conf, const struct topology *topology, struct arena *arena, struct conf_issues *issues)
{
    struct partition_map *map = ARENA_NEW(arena, struct partition_map);
    unsigned n_errors = issues->n_errors;
    struct parser p = { .arena = arena, .t = topology, .areas = areas_parse(conf, arena, issues), .map = map };

    map->rules = ARENA_ARRAY(arena, RULES, struct rule);
    p.places = ARENA_ARRAY(arena, RULES, struct rule_places);
    p.scan = scan_option(conf, "partition_map", conf->partition_map, issues);
    if (str_trim(conf->partition_map).len == 0 && !imply(&p, conf, issues))
        return map;
    parse_lines(&p);
    map->index = rule_index_build(map, arena);
    if (map->n_rules == 0)
        conf_option_issue(issues, true, conf, "partition_map", "the map has no line");
    partition_check(map, topology, p.places, &p.scan, n_errors);
    map->is_uniform = partition_map_is_uniform(map);
    return map;
}
