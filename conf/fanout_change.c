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
    const struct fanout_progress *progress;
    struct conf_issues *issues;
    bool *seen; /* old line x (fresh line or none) */
};

#define ADVICE "; see docs/replication.md, \"Changing the map\""

static int
named(const struct topology *t, const struct topology *other, unsigned cluster)
{
    return topology_find(t, other->clusters[cluster].name);
}

/* --- what is to be done first ------------------------------------------------------------------------------------ */

static struct str
home_of(const struct comparison *c, const struct partition *was)
{
    return c->old->topology->clusters[was->clusters[0]].name;
}

static const struct fanout_frozen *
frozen_of(const struct comparison *c, const struct rule *was, const struct partition *part)
{
    const struct fanout_frozen *found = NULL;
    struct buf line = { 0 };

    rule_put_patterns(was, &line);
    for (unsigned i = 0; i < c->progress->n_frozen; i++) {
        const struct fanout_frozen *f = &c->progress->frozen[i];

        if (str_eq(f->line, buf_str(&line)) && str_eq(f->home, home_of(c, part)))
            found = f;
    }
    buf_fini(&line);
    return found;
}

static void
put_waiting(const struct comparison *c, struct str home, struct buf *out)
{
    bool is_first = true;

    for (unsigned i = 0; i < c->progress->n_waiting; i++) {
        const struct fanout_waiting *w = &c->progress->waiting[i];

        if (!str_eq(w->home, home))
            continue;
        buf_printf(out, "%s%llu points wait for " STR_FMT "/" STR_FMT, is_first ? "" : ", ",
            (unsigned long long)w->points, STR_ARG(w->home), STR_ARG(w->copy));
        is_first = false;
    }
    if (!is_first)
        buf_add(out, STR("; "));
}

/* `what` it would be: "partition * loses its home eu". */
static void
refuse(struct comparison *c, const struct rule *was, const struct partition *part, struct word at, struct str what)
{
    const struct fanout_frozen *f = frozen_of(c, was, part);
    struct buf text = { 0 }, line = { 0 };

    rule_put_patterns(was, &line);
    buf_add(&text, what);
    if (f) {
        buf_printf(
            &text, ", and is not drained yet: " STR_FMT "; `sextant ctl freeze` shows when it is", STR_ARG(f->left));
    } else {
        buf_add(&text, STR(", and is not drained: "));
        put_waiting(c, home_of(c, part), &text);
        buf_printf(&text, "first `sextant ctl freeze '" STR_FMT "' --wait`", STR_ARG(buf_str(&line)));
    }
    if (at.line)
        scan_error(&c->scan, at, STR_FMT ADVICE, STR_ARG(buf_str(&text)));
    else
        conf_issue(c->issues, true, c->scan.source, 0, 0, STR_FMT ADVICE, STR_ARG(buf_str(&text)));
    buf_fini(&text);
    buf_fini(&line);
}

static void __attribute__((format(printf, 5, 6))) check(
    struct comparison *c, const struct rule *was, const struct partition *part, struct word at, const char *format, ...)
{
    const struct fanout_frozen *f = frozen_of(c, was, part);
    struct buf what = { 0 };
    va_list args;

    if (f && f->is_drained)
        return;
    va_start(args, format);
    buf_vprintf(&what, format, args);
    va_end(args);
    refuse(c, was, part, at, buf_str(&what));
    buf_fini(&what);
}

/* --- two partitions ---------------------------------------------------------------------------------------------- */

static void
check_copies(struct comparison *c, const struct rule *r, const struct partition *was, const struct partition *is)
{
    for (unsigned i = 1; i < was->n_clusters; i++) {
        int copy = named(c->fresh->topology, c->old->topology, was->clusters[i]);

        if (copy < 0 || !(is->cluster_mask >> copy & 1))
            check(c, r, was, (struct word){ .line = is->line, .column = is->column },
                "partition " STR_FMT " loses its copy " STR_FMT, STR_ARG(is->name),
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

static bool
is_given_up(const struct comparison *c, struct str home)
{
    for (unsigned i = 0; i < c->progress->n_frozen; i++) {
        if (c->progress->frozen[i].is_given_up && str_eq(c->progress->frozen[i].home, home))
            return true;
    }
    return false;
}

/* `r` takes what `from` took. */
static void
check_partition(struct comparison *c, const struct rule *from, const struct rule *r, const struct partition *was)
{
    int home = named(c->fresh->topology, c->old->topology, was->clusters[0]);
    const struct partition *is = with_home(r, home), *namesake = with_name(r, was->name);
    struct word at = { .line = r->line, .column = r->column };

    if (namesake)
        at.column = namesake->column;
    if (!is || (namesake && namesake != is))
        check(c, from, was, at, "partition " STR_FMT " loses its home " STR_FMT, STR_ARG(was->name),
            STR_ARG(home_of(c, was)));
    else if (!partition_fans_out(r, is))
        check(c, from, was, at, "partition " STR_FMT " loses its fan-out", STR_ARG(was->name));
    else
        check_copies(c, from, was, is);
}

/* Another edge would find it claimed. */
static void
check_owner(struct comparison *c, unsigned cluster)
{
    struct str name = c->old->topology->clusters[cluster].name;
    int home = named(c->fresh->topology, c->old->topology, cluster);

    if ((home >= 0 && c->fresh->fanout->owns >> home & 1) || is_given_up(c, name))
        return;
    conf_option_issue(c->issues, true, c->fresh->conf, "owns",
        "the home " STR_FMT
        " loses its owner, and its claim is not given up: first `sextant ctl freeze` what has its home "
        "there, then `sextant ctl release " STR_FMT "`" ADVICE,
        STR_ARG(name), STR_ARG(name));
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

        if (!partition_fans_out(was, part) || !(c->old->fanout->owns >> part->clusters[0] & 1))
            continue;
        if (is)
            check_partition(c, was, is, part);
        else
            check(c, was, part, (struct word){ .line = 0 },
                "no line takes collections such as " STR_FMT " any more: partition " STR_FMT " loses its fan-out",
                STR_ARG(name), STR_ARG(part->name));
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
fanout_check_change(const struct fanout_side *old, const struct fanout_side *fresh,
    const struct fanout_progress *progress, struct conf_issues *issues)
{
    struct comparison c = { .old = old, .fresh = fresh, .progress = progress, .issues = issues };
    unsigned n_old = list_patterns(old->map, NULL), n = n_old + list_patterns(fresh->map, NULL);
    unsigned n_errors = issues->n_errors;
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
    for (unsigned i = 0; i < old->topology->n_clusters && issues->n_errors == n_errors; i++) {
        if (old->fanout->owns >> i & 1)
            check_owner(&c, i);
    }
    buf_fini(&name);
    mem_free(patterns);
    mem_free(c.seen);
}
