/* SPDX-License-Identifier: Apache-2.0
 *
 * The two look-ups of every request; nothing in them allocates. The first line with a matching pattern wins, so what is hashed
 * (patterns without a wildcard, and those whose only one stands at the end, by what stands before it) is kept with the number
 * of the first line that has it, and the lowest number of all that match is the answer. The few other patterns are tried one by
 * one, from the first line on, as long as their line is before the best one found; of a block of them none is, when all have a byte
 * that the name lacks.
 */
#include "conf/partition_find.h"

#include "conf/areas.h"

/* Tables live in the arena that the functions which add to them have. */
#define uthash_malloc(size) arena_alloc(arena, size)
#define uthash_free(p, size) ((void)(p))
#include <uthash.h>

struct hashed {
    unsigned rule; /* the first that has it */
    UT_hash_handle hh;
};

struct length { /* of beginnings */
    unsigned len;
    unsigned rule; /* the first that has a beginning of this length */
};

struct glob {
    struct str pattern;
    uint64_t bytes; /* see bytes_of() */
    unsigned rule;
};

enum { BLOCK = 16 }; /* globs */

struct rule_index {
    struct hashed *names, *beginnings;
    struct length *lengths; /* each once, in the order of their rules */
    struct glob *globs;
    uint64_t *common; /* bytes that all globs of a block have */
    unsigned n_lengths, n_globs;
};

/* Which bytes there are, as bits: two texts of which one lacks a bit of the other's need no closer look. */
static uint64_t
bytes_of(struct str text)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < text.len; i++)
        bytes |= text.p[i] == '*' ? 0 : UINT64_C(1) << ((unsigned char)text.p[i] & 63);
    return bytes;
}

static void
add_hashed(struct hashed **table, struct str text, unsigned rule, struct arena *arena)
{
    struct hashed *e;

    HASH_FIND(hh, *table, text.p, text.len, e);
    if (e)
        return;
    e = ARENA_NEW(arena, struct hashed);
    e->rule = rule;
    HASH_ADD_KEYPTR(hh, *table, text.p, text.len, e);
}

static void
add_length(struct rule_index *index, unsigned len, unsigned rule)
{
    for (unsigned i = 0; i < index->n_lengths; i++) {
        if (index->lengths[i].len == len)
            return;
    }
    index->lengths[index->n_lengths++] = (struct length){ len, rule };
}

static void
add_glob(struct rule_index *index, struct str pattern, unsigned rule)
{
    unsigned i = index->n_globs++;
    uint64_t bytes = bytes_of(pattern);

    index->globs[i] = (struct glob){ pattern, bytes, rule };
    index->common[i / BLOCK] = i % BLOCK ? index->common[i / BLOCK] & bytes : bytes;
}

static void
add_pattern(struct rule_index *index, struct str pattern, unsigned rule, struct arena *arena)
{
    struct str beginning = pattern;

    while (beginning.len && beginning.p[beginning.len - 1] == '*')
        beginning.len--;
    if (str_find(beginning, '*') >= 0) {
        add_glob(index, pattern, rule);
    } else if (beginning.len == pattern.len) {
        add_hashed(&index->names, pattern, rule, arena);
    } else {
        add_hashed(&index->beginnings, beginning, rule, arena);
        add_length(index, (unsigned)beginning.len, rule);
    }
}

const struct rule_index *
rule_index_build(const struct partition_map *map, struct arena *arena)
{
    struct rule_index *index = ARENA_NEW(arena, struct rule_index);
    unsigned n = 0;

    for (unsigned i = 0; i < map->n_rules; i++)
        n += map->rules[i].n_patterns;
    index->lengths = ARENA_ARRAY(arena, n + 1, struct length);
    index->globs = ARENA_ARRAY(arena, n + 1, struct glob);
    index->common = ARENA_ARRAY(arena, n / BLOCK + 1, uint64_t);
    for (unsigned i = 0; i < map->n_rules; i++) {
        for (unsigned j = 0; j < map->rules[i].n_patterns; j++)
            add_pattern(index, map->rules[i].patterns[j], i, arena);
    }
    return index;
}

/* The rule of a text, if it is before `best`. */
static unsigned
find_hashed(const struct hashed *table, const char *text, size_t len, unsigned best)
{
    const struct hashed *e;

    HASH_FIND(hh, table, text, len, e);
    return e && e->rule < best ? e->rule : best;
}

/* The rule of a beginning of this name, if it is before `best`. */
static unsigned
find_beginning(const struct rule_index *index, struct str name, unsigned best)
{
    for (unsigned i = 0; i < index->n_lengths && index->lengths[i].rule < best; i++) {
        if (index->lengths[i].len <= name.len)
            best = find_hashed(index->beginnings, name.p, index->lengths[i].len, best);
    }
    return best;
}

static unsigned
find_glob(const struct rule_index *index, struct str name, unsigned best)
{
    uint64_t missing = ~bytes_of(name);

    for (unsigned i = 0; i < index->n_globs && index->globs[i].rule < best; i++) {
        if (i % BLOCK == 0 && index->common[i / BLOCK] & missing)
            i += BLOCK - 1;
        else if (!(index->globs[i].bytes & missing) && str_glob(index->globs[i].pattern, name))
            return index->globs[i].rule;
    }
    return best;
}

const struct rule *
partition_map_rule(const struct partition_map *map, struct str collection)
{
    const struct rule_index *index = map->index;
    unsigned best = map->n_rules;

    if (!index || str_eq(collection, STR(OWN_COLLECTION)))
        return NULL;
    best = find_hashed(index->names, collection.p, collection.len, best);
    best = find_beginning(index, collection, best);
    if (index->n_globs && index->globs[0].rule < best)
        best = find_glob(index, collection, best);
    return best < map->n_rules ? &map->rules[best] : NULL;
}

static bool
is_narrower(const struct area *a, const struct area *b)
{
    return a->kind != b->kind ? a->kind < b->kind : a->width < b->width;
}

const struct partition *
rule_partition(
    const struct rule *rule, const struct addr *address, const struct place *place, const struct area **ret_area)
{
    static const struct place nowhere = { .source = PLACE_NONE };
    const struct partition *best = NULL;
    const struct area *best_area = NULL;
    bool any_takes;

    if (rule->strict && place->source == PLACE_DEFAULT)
        place = &nowhere;
    any_takes = place->source != PLACE_NONE || !rule->strict;
    for (unsigned i = 0; i < rule->n_partitions; i++) {
        const struct partition *part = &rule->partitions[i];

        for (unsigned j = 0; j < part->n_areas; j++) {
            const struct area *a = &part->areas[j];

            if (best_area && !is_narrower(a, best_area))
                continue;
            if ((a->kind == AREA_ANY && !any_takes) || !area_takes(a, address, place))
                continue;
            best = part;
            best_area = a;
        }
    }
    if (best && ret_area)
        *ret_area = best_area;
    return best;
}
