/* SPDX-License-Identifier: Apache-2.0
 *
 * Clusters, areas, map and the other documents of one configuration, separated by lines of "---". Beyond not crashing: a map
 * without mistakes prints as one without mistakes that prints the same; a name is led to the first line that matches it, a
 * caller only ever to clusters that the line lists; lines that are told to be alike lead a caller alike; the suggested maps are
 * maps.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/partition_map.h"
#include "proxy/base/mem.h"

static void
check(bool holds)
{
    if (!holds)
        abort();
}

struct parsed {
    struct arena arena;
    struct conf_issues issues;
    struct conf *conf;
    struct topology *topology;
    struct partition_map *map;
};

static const char *const names[] = { "CLUSTERS", "PARTITION_MAP", "AREAS", "OVERRIDES", "TRUSTED_PROXIES", "LISTEN" };
enum { N_DOCS = sizeof(names) / sizeof(names[0]) };

static void
parse(struct parsed *p, const struct str docs[N_DOCS])
{
    char *env[N_DOCS + 1] = { NULL };

    *p = (struct parsed){ .conf = NULL };
    p->issues.arena = &p->arena;
    for (unsigned i = 0; i < N_DOCS; i++) /* a newline before it keeps it from being a file's name */
        env[i] = (char *)(uintptr_t)arena_printf(&p->arena, "SEXTANT_%s=\n" STR_FMT, names[i], STR_ARG(docs[i])).p;
    p->conf = conf_load(env, &p->issues);
    p->topology = topology_parse(p->conf, &p->arena, &p->issues);
    p->map = partition_map_parse(p->conf, p->topology, &p->arena, &p->issues);
}

static void
fini(struct parsed *p)
{
    conf_free(p->conf);
    arena_fini(&p->arena);
}

static void
check_issues(const struct conf_issues *issues)
{
    struct buf out = { 0 };
    unsigned n_errors = 0;

    for (unsigned i = 0; i < issues->n; i++) {
        n_errors += issues->items[i].is_error;
        check(issues->items[i].text.len > 0 && issues->items[i].source.len > 0);
    }
    check(n_errors == issues->n_errors);
    conf_issues_print(issues, &out);
    buf_fini(&out);
}

static void
check_callers(const struct partition_map *map)
{
    static const char *const countries[] = { "DE", "US", "JP", "BR", "NA", "AQ", "" };
    static const char *const addresses[] = { "10.1.2.3", "192.0.2.1", "2001:db8::1", "::" };

    for (unsigned i = 0; i < map->n_rules; i++) {
        for (unsigned n = 0; n < 7 * 4 * 3; n++) {
            struct place place = { .source = PLACE_NONE };
            const struct partition *first, *part;
            const struct area *area = NULL;
            struct addr address = { 0 };

            if (*countries[n % 7])
                country_point(countries[n % 7], &place);
            place.source = (uint8_t)(n / 28 == 0 ? PLACE_NONE : n / 28 == 1 ? PLACE_DATABASE : PLACE_DEFAULT);
            addr_parse(str_from(addresses[n / 7 % 4]), &address);
            part = rule_partition(&map->rules[i], &address, &place, &area);
            first = rule_partition(&map->rules[0], &address, &place, NULL);
            check(!part == !area);
            check(!part || (part->cluster_mask && !(part->cluster_mask & ~map->rules[i].cluster_mask)));
            check(!map->is_uniform || (!part == !first && (!part || part->cluster_mask == first->cluster_mask)));
        }
    }
}

static const struct rule *
first_line(const struct partition_map *map, struct str name)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        for (unsigned j = 0; j < map->rules[i].n_patterns; j++) {
            if (str_glob(map->rules[i].patterns[j], name))
                return &map->rules[i];
        }
    }
    return NULL;
}

/* Each pattern's own text is a name that it matches. */
static void
check_lines(const struct partition_map *map)
{
    for (unsigned i = 0; i < map->n_rules; i++) {
        for (unsigned j = 0; j < map->rules[i].n_patterns; j++) {
            struct str name = map->rules[i].patterns[j];
            const struct rule *found = partition_map_rule(map, name);

            check(found && found == first_line(map, name));
        }
    }
}

static void
check_printed(const struct parsed *p, const struct str docs[N_DOCS])
{
    struct str again_docs[N_DOCS];
    struct buf first = { 0 }, second = { 0 };
    struct parsed again;

    memcpy(again_docs, docs, sizeof(again_docs));
    partition_map_print(p->map, p->topology, &first);
    partition_map_print_table(p->map, p->topology, &second);
    buf_clear(&second);
    again_docs[1] = buf_str(&first);
    parse(&again, again_docs);
    check(again.issues.n_errors == 0);
    check(again.map->n_rules == p->map->n_rules && again.map->is_uniform == p->map->is_uniform);
    partition_map_print(again.map, again.topology, &second);
    check(str_eq(buf_str(&first), buf_str(&second)));
    buf_fini(&first);
    buf_fini(&second);
    fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str docs[N_DOCS] = { { NULL, 0 } }, rest = str_make((const char *)data, size);
    struct parsed p;

    if (memchr(data, 0, size))
        return 0; /* no environment holds it */
    for (unsigned i = 0; i < N_DOCS; i++) {
        const char *end = rest.len ? memmem(rest.p, rest.len, "---\n", 4) : NULL;

        docs[i] = str_make(rest.p, end ? (size_t)(end - rest.p) : rest.len);
        rest = end ? str_skip(rest, docs[i].len + 4) : STR_NONE;
    }
    parse(&p, docs);
    if (p.issues.n_errors == 0) {
        check_callers(p.map);
        check_lines(p.map);
        check_printed(&p, docs);
    }
    trust_parse(p.conf, &p.arena, &p.issues);
    overrides_parse(p.conf, &p.arena, &p.issues);
    listeners_parse(p.conf, &p.arena, &p.issues);
    check_issues(&p.issues);
    fini(&p);
    return 0;
}
