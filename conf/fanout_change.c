/* SPDX-License-Identifier: Apache-2.0
 *
 * Two maps are compared by what they do with collections, not line by line: lines may be split, joined and reordered. The
 * names looked at are one for each pair of patterns, the most general that both match; patterns with one wildcard at most (all
 * that people write) give no other pair of lines than these names do.
 */
#include "conf/fanout.h"

#include "conf/scan.h"
#include "proxy/base/mem.h"

struct comparison {
    const struct fanout_side *old, *fresh;
    struct scan scan; /* of the fresh map */
    struct conf_issues *issues;
    bool *seen; /* old line x (fresh line or none) */
};

#define ADVICE "; see docs/replication.md, \"Changing the map\""

static int
named(const struct topology *t, const struct topology *other, unsigned cluster)
{
    return topology_find(t, other->clusters[cluster].name);
}

/* --- two partitions ---------------------------------------------------------------------------------------------- */

static void
check_copies(struct comparison *c, const struct partition *was, const struct partition *is)
{
    for (unsigned i = 1; i < was->n_clusters; i++) {
        int copy = named(c->fresh->topology, c->old->topology, was->clusters[i]);

        if (copy < 0 || !(is->cluster_mask >> copy & 1))
            scan_error(&c->scan, (struct word){ .line = is->line, .column = is->column },
                "partition " STR_FMT " loses its copy " STR_FMT ": not while this edge runs" ADVICE, STR_ARG(is->name),
                STR_ARG(c->old->topology->clusters[was->clusters[i]].name));
    }
}

static const struct partition *
with_home(const struct rule *r, int home)
{
    for (unsigned i = 0; home >= 0 && i < r->n_partitions; i++) {
        if (r->partitions[i].clusters[0] == (unsigned)home)
            return &r->partitions[i];
    }
    return NULL;
}

static const struct partition *
with_name(const struct rule *r, struct str name)
{
    for (unsigned i = 0; i < r->n_partitions; i++) {
        if (str_eq(r->partitions[i].name, name))
            return &r->partitions[i];
    }
    return NULL;
}

static void
check_partition(struct comparison *c, const struct rule *r, const struct partition *was)
{
    struct str home_name = c->old->topology->clusters[was->clusters[0]].name;
    int home = named(c->fresh->topology, c->old->topology, was->clusters[0]);
    const struct partition *is = with_home(r, home), *namesake = with_name(r, was->name);
    struct word at = { .line = r->line, .column = r->column };

    if (namesake)
        at.column = namesake->column;
    if (!is || (namesake && namesake != is))
        scan_error(&c->scan, at, "partition " STR_FMT " loses its home " STR_FMT ": not while this edge runs" ADVICE,
            STR_ARG(was->name), STR_ARG(home_name));
    else if (!partition_fans_out(r, is))
        scan_error(&c->scan, at, "partition " STR_FMT " loses its fan-out: not while this edge runs" ADVICE,
            STR_ARG(was->name));
    else if ((c->old->fanout->owns >> was->clusters[0] & 1) && !(c->fresh->fanout->owns >> home & 1))
        scan_error(
            &c->scan, at, "the home " STR_FMT " loses its owner: not while this edge runs" ADVICE, STR_ARG(home_name));
    else
        check_copies(c, was, is);
}

/* --- two lines --------------------------------------------------------------------------------------------------- */

static void
check_rules(struct comparison *c, const struct rule *was, const struct rule *is, struct str name)
{
    unsigned column = is ? is->index : c->fresh->map->n_rules;
    bool *seen = &c->seen[was->index * (c->fresh->map->n_rules + 1) + column];

    if (*seen || was->fanout == FANOUT_NONE)
        return;
    *seen = true;
    for (unsigned i = 0; i < was->n_partitions; i++) {
        const struct partition *part = &was->partitions[i];

        if (!partition_fans_out(was, part))
            continue;
        if (is)
            check_partition(c, is, part);
        else
            conf_issue(c->issues, true, c->scan.source, 0, 0,
                "no line takes collections such as " STR_FMT
                " any more, which fan out: not while this edge runs" ADVICE,
                STR_ARG(name));
    }
}

/* --- names ------------------------------------------------------------------------------------------------------- */

/* What stands before the first wildcard and after the last; without one the text is the whole pattern. */
struct ends {
    struct str before, after;
    bool has_wildcard;
};

static struct ends
ends_of(struct str pattern)
{
    ptrdiff_t first = str_find(pattern, '*');
    size_t last = pattern.len;

    if (first < 0)
        return (struct ends){ .before = pattern };
    while (pattern.p[last - 1] != '*')
        last--;
    return (struct ends){ str_make(pattern.p, (size_t)first), str_skip(pattern, last), true };
}

/* The most general name that both match, if there is one: a line that takes it takes all of theirs. */
static void
general_name(struct str a, struct str b, struct buf *ret_name)
{
    struct ends x = ends_of(a), y = ends_of(b);

    buf_clear(ret_name);
    if (!x.has_wildcard || !y.has_wildcard) {
        buf_add(ret_name, x.has_wildcard ? y.before : x.before);
        return;
    }
    buf_add(ret_name, x.before.len > y.before.len ? x.before : y.before);
    buf_add(ret_name, STR("..."));
    buf_add(ret_name, x.after.len > y.after.len ? x.after : y.after);
}

static unsigned
list_patterns(const struct partition_map *map, struct str *list)
{
    unsigned n = 0;

    for (unsigned i = 0; i < map->n_rules; i++) {
        for (unsigned j = 0; j < map->rules[i].n_patterns; j++, n++) {
            if (list)
                list[n] = map->rules[i].patterns[j];
        }
    }
    return n;
}

void
fanout_check_change(const struct fanout_side *old, const struct fanout_side *fresh, struct conf_issues *issues)
{
    struct comparison c = { .old = old, .fresh = fresh, .issues = issues };
    unsigned n_old = list_patterns(old->map, NULL), n = n_old + list_patterns(fresh->map, NULL);
    struct str *patterns;
    struct buf name = { 0 };

    if (!old->map->has_fanout)
        return;
    c.scan = scan_option(fresh->conf, "partition_map", fresh->conf->partition_map, issues);
    c.seen = mem_array(old->map->n_rules * (fresh->map->n_rules + 1), sizeof(*c.seen));
    patterns = mem_array(n, sizeof(*patterns));
    list_patterns(old->map, patterns);
    list_patterns(fresh->map, patterns + n_old);
    for (unsigned i = 0; i < n_old; i++) {
        for (unsigned j = 0; j < n; j++) {
            const struct rule *was;

            general_name(patterns[i], patterns[j], &name);
            was = partition_map_rule(old->map, buf_str(&name));
            if (was)
                check_rules(&c, was, partition_map_rule(fresh->map, buf_str(&name)), buf_str(&name));
        }
    }
    buf_fini(&name);
    mem_free(patterns);
    mem_free(c.seen);
}
