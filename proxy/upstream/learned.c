/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/learned.h"

#include "proxy/base/clock.h"

#define HEAD "sextant-rtt 1"
#define RTT_MS_MAX 60000

void
learned_print(const struct fleet *f, int64_t wall_us, struct buf *out)
{
    buf_add(out, STR(HEAD "\n"));
    for (unsigned i = 0; i < f->n_clusters; i++) {
        const struct cluster *c = f->clusters[i].cluster;

        if (c->rank.rtt_ms >= 0)
            buf_printf(out, "%s %.3f %lld\n", c->name, c->rank.rtt_ms, (long long)(wall_us / USEC_PER_SEC));
    }
}

struct learned {
    struct str cluster;
    double rtt_ms;
    uint64_t at_s;
};

static bool
parse_line(struct str line, struct learned *ret_l)
{
    struct str rtt, at;

    return str_cut(line, ' ', &ret_l->cluster, &rtt) && ret_l->cluster.len && str_cut(rtt, ' ', &rtt, &at) &&
           str_to_double(rtt, &ret_l->rtt_ms) && ret_l->rtt_ms >= 0 && ret_l->rtt_ms <= RTT_MS_MAX &&
           str_to_u64(at, &ret_l->at_s) && at.len <= 12;
}

static void
seed(struct fleet *f, const struct learned *l, int64_t wall_us)
{
    int64_t age_s = wall_us / USEC_PER_SEC - (int64_t)l->at_s;
    int index = topology_find(f->world->topology, l->cluster);
    struct cluster *c = index < 0 ? NULL : f->clusters[index].cluster;

    if (!c || age_s < 0 || age_s >= LEARNED_SECONDS || c->rank.rtt_ms >= 0)
        return;
    rank_remember(&c->rank, l->rtt_ms, 1 - (double)age_s / LEARNED_SECONDS);
    atomic_store(&c->shared.cost_ms, rank_cost_ms(&c->rank, f->world->topology->clusters[index].bias));
}

/* Each line, twice: nothing is taken from a text that is damaged further down. */
static bool
walk(struct fleet *f, struct str text, int64_t wall_us, bool is_taken)
{
    struct str line;
    struct learned l;

    if (!str_cut(text, '\n', &line, &text) || !str_eq(line, STR(HEAD)))
        return false;
    while (text.len) {
        if (!str_cut(text, '\n', &line, &text) || !parse_line(line, &l))
            return false;
        if (is_taken)
            seed(f, &l, wall_us);
    }
    return true;
}

bool
learned_apply(struct fleet *f, struct str text, int64_t wall_us)
{
    return walk(f, text, wall_us, false) && walk(f, text, wall_us, true);
}
