/* SPDX-License-Identifier: Apache-2.0
 *
 * 1. A row counts only with the journal that it was told under: whoever changes that clears the rows first.
 * 2. That a cluster lacks data is taken back by another word only: it becomes no more complete by silence.
 */
#include "proxy/upstream/reach.h"

#include "proxy/base/clock.h"

static struct cluster *
cluster_of(const struct fleet *f, unsigned index)
{
    return f->clusters[index].cluster;
}

static struct reach *
row_of(const struct fleet *f, unsigned home, unsigned cluster)
{
    return &cluster_of(f, cluster)->shared.reach[cluster_of(f, home)->slot];
}

void
reach_begin(struct fleet *f, unsigned home, uint64_t journal, uint32_t start)
{
    struct cluster *h = cluster_of(f, home);

    if (atomic_load(&h->shared.journal) == journal && atomic_load(&h->shared.journal_start) == start)
        return;
    atomic_store(&h->shared.journal, 0);
    for (unsigned i = 0; i < f->n_clusters; i++)
        atomic_store(&row_of(f, home, i)->until_us, 0);
    atomic_store(&h->shared.journal_start, start);
    atomic_store(&h->shared.journal, journal);
}

void
reach_tell(struct fleet *f, unsigned home, unsigned cluster, uint64_t lsn, int64_t as_of_us, int64_t now_us)
{
    struct reach *row = row_of(f, home, cluster);

    atomic_store_explicit(&row->lsn, lsn, memory_order_relaxed);
    atomic_store_explicit(&row->as_of_us, as_of_us, memory_order_relaxed);
    atomic_store_explicit(&row->until_us, now_us + REACH_LEASE_US, memory_order_release);
}

bool
reach_tell_lack(const struct fleet *f, unsigned home, unsigned cluster, bool lacks)
{
    atomic_ullong *all = &cluster_of(f, cluster)->shared.lacks;
    uint64_t bit = UINT64_C(1) << cluster_of(f, home)->slot;

    if (!(atomic_load_explicit(all, memory_order_relaxed) & bit) == !lacks)
        return false;
    if (lacks)
        atomic_fetch_or_explicit(all, bit, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(all, ~bit, memory_order_relaxed);
    return true;
}

/* Does the map bring the writes of a home to a cluster? */
static bool
brings(const struct world *w, struct str home, struct str copy)
{
    const struct topology *t = w->topology;
    int at = topology_find(t, copy);

    for (unsigned i = 0; i < w->map->n_rules && at >= 0; i++) {
        const struct rule *rule = &w->map->rules[i];

        for (unsigned k = 0; k < rule->n_partitions; k++) {
            const struct partition *part = &rule->partitions[k];

            if (partition_fans_out(rule, part) && str_eq(t->clusters[part->clusters[0]].name, home) &&
                part->cluster_mask >> at & 1)
                return true;
        }
    }
    return false;
}

void
reach_expect(const struct fleet *old, const struct fleet *fresh)
{
    const struct topology *t = fresh->world->topology;

    for (unsigned i = 0; i < t->n_clusters; i++) {
        bool is_home = fresh->world->fanout->homes >> i & 1 &&
                       brings(old->world, t->clusters[i].name, t->clusters[i].name);

        for (unsigned k = 0; k < t->n_clusters && is_home; k++) {
            struct str home = t->clusters[i].name, copy = t->clusters[k].name;

            if (brings(fresh->world, home, copy) && !brings(old->world, home, copy))
                reach_tell_lack(fresh, i, k, true);
        }
    }
}

void
reach_look(const struct fleet *f, unsigned home, unsigned cluster, int64_t now_us, struct reach_view *ret_view)
{
    const struct cluster *h = cluster_of(f, home);
    struct reach *row = row_of(f, home, cluster);
    struct reach_view v = { .journal = atomic_load(&h->shared.journal) };

    v.until_us = atomic_load_explicit(&row->until_us, memory_order_acquire);
    v.lsn = atomic_load_explicit(&row->lsn, memory_order_relaxed);
    v.as_of_us = atomic_load_explicit(&row->as_of_us, memory_order_relaxed);
    v.start = atomic_load(&h->shared.journal_start);
    if (v.until_us <= now_us || v.journal == 0 || v.journal != atomic_load(&h->shared.journal))
        v.lsn = 0;
    *ret_view = v;
}

bool
reach_has(const struct fleet *f, unsigned home, unsigned cluster, const struct stamp *s, int64_t now_us)
{
    struct reach_view v;

    reach_look(f, home, cluster, now_us, &v);
    if (v.lsn == REACH_ALL) /* whichever journal the write is in: home has done it before it was acknowledged */
        return true;
    return v.lsn && s->journal == v.journal && s->start <= v.start && s->lsn <= v.lsn;
}

bool
reach_lacks(const struct fleet *f, unsigned home, unsigned cluster)
{
    return atomic_load_explicit(&cluster_of(f, cluster)->shared.lacks, memory_order_relaxed) >>
               cluster_of(f, home)->slot &
           1;
}

/* --- between edges ----------------------------------------------------------------------------------------------- */

static void
print_home(const struct fleet *f, unsigned home, int64_t now_us, struct buf *out)
{
    struct reach_view v;

    reach_look(f, home, home, now_us, &v);
    buf_printf(out, "1 %s %016llx %u", cluster_of(f, home)->name, (unsigned long long)v.journal, v.start);
    for (unsigned i = 0; i < f->n_clusters; i++) {
        long long age_ms;

        reach_look(f, home, i, now_us, &v);
        age_ms = 1 + (now_us - v.as_of_us) / USEC_PER_MSEC; /* rounded up */
        if (v.lsn)
            buf_printf(out, " %s=%llu@%lld", cluster_of(f, i)->name, (unsigned long long)v.lsn, age_ms);
        if (reach_lacks(f, home, i))
            buf_printf(out, " !%s=0@0", cluster_of(f, i)->name);
    }
    buf_add(out, STR("\n"));
}

void
reach_print(const struct fleet *f, uint64_t homes, int64_t now_us, struct buf *out)
{
    for (unsigned i = 0; i < f->n_clusters; i++) {
        if (homes >> i & 1 && atomic_load(&cluster_of(f, i)->shared.journal))
            print_home(f, i, now_us, out);
    }
}

static bool
take_hex(struct str text, uint64_t *ret_number)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text.len; i++) {
        int digit = str_hex_value(text.p[i]);

        if (digit < 0)
            return false;
        number = number << 4 | (unsigned)digit;
    }
    *ret_number = number;
    return text.len == 16;
}

/* "us=1200@35", or "!us=0@0": it lacks data, which an edge that does not know of that takes for another cluster. One that is not known
 * here is passed over. */
static bool
take_row(struct fleet *f, unsigned home, struct str word, int64_t asked_us, uint64_t *lacks)
{
    struct str name, rest, lsn_text, age_text;
    uint64_t lsn, age_ms;
    bool is_lack;
    int at;

    if (!str_cut(word, '=', &name, &rest) || !str_cut(rest, '@', &lsn_text, &age_text) || !str_to_u64(lsn_text, &lsn) ||
        !str_to_u64(age_text, &age_ms) || age_ms > INT64_MAX / USEC_PER_MSEC / 2)
        return false;
    is_lack = str_starts(name, STR("!"));
    at = topology_find(f->world->topology, is_lack ? str_skip(name, 1) : name);
    if (at >= 0 && is_lack)
        *lacks |= UINT64_C(1) << at;
    else if (at >= 0)
        reach_tell(f, home, (unsigned)at, lsn, asked_us - (int64_t)age_ms * USEC_PER_MSEC, asked_us);
    return true;
}

static bool
take_line(struct fleet *f, uint64_t homes, struct str line, int64_t asked_us)
{
    struct str version, name, journal_text, start_text, word;
    uint64_t journal, start, lacks = 0;
    int home;

    str_cut(line, ' ', &version, &line);
    str_cut(line, ' ', &name, &line);
    str_cut(line, ' ', &journal_text, &line);
    str_cut(line, ' ', &start_text, &line);
    if (!str_eq(version, STR("1")) || !take_hex(journal_text, &journal) || !str_to_u64(start_text, &start) ||
        start > UINT32_MAX)
        return false;
    home = topology_find(f->world->topology, name);
    if (home < 0 || !(homes >> home & 1))
        return true;
    reach_begin(f, (unsigned)home, journal, (uint32_t)start);
    while (line.len) {
        str_cut(line, ' ', &word, &line);
        if (!take_row(f, (unsigned)home, word, asked_us, &lacks))
            return false;
    }
    for (unsigned i = 0; i < f->n_clusters; i++)
        reach_tell_lack(f, (unsigned)home, i, lacks >> i & 1);
    return true;
}

bool
reach_take(struct fleet *f, uint64_t homes, struct str text, int64_t asked_us)
{
    struct str line;

    while (text.len) {
        str_cut(text, '\n', &line, &text);
        if (!take_line(f, homes, line, asked_us))
            return false;
    }
    return true;
}
