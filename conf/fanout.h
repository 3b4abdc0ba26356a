/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_FANOUT_H
#define SEXTANT_CONF_FANOUT_H

/* What fan-out asks of the rest of the configuration, and of a configuration that follows another. Pure. */

#include "conf/edges.h"
#include "conf/keys.h"
#include "conf/partition_map.h"

struct fanout_conf {
    uint64_t owns;  /* homes that this edge journals for: SEXTANT_OWNS */
    uint64_t homes; /* of all partitions that fan out */
    const struct edges_conf *edges;
    /* By line of the map: what two edges must agree on, so that one decides the partition and another journals. All its
     * partitions with their clusters, its policy and residency; not its patterns. */
    uint64_t *lines;
};

/* Read SEXTANT_OWNS and check that every partition that fans out can: a journal, keys held here, one owner for its home.
 * Allocates from `arena`; usable only when no error was added. */
struct fanout_conf *fanout_parse(const struct conf *conf, const struct topology *t, const struct partition_map *map,
    const struct keys *keys, const struct edges_conf *edges, struct arena *arena, struct conf_issues *issues);

/* Are writes of homes journaled here (-1), by which of the other edges (its index), or by nobody who is known (-2)? */
static inline int
fanout_owner(const struct fanout_conf *f, unsigned home)
{
    return f->owns >> home & 1 ? -1 : f->edges->owner[home] >= 0 ? f->edges->owner[home] : -2;
}

/* One of two configurations. */
struct fanout_side {
    const struct conf *conf;
    const struct topology *topology;
    const struct partition_map *map;
    const struct fanout_conf *fanout;
};

/* How far the edge is with what it journals: what operators have frozen, and what waits for which copy. Texts as long as the call. */
struct fanout_frozen {
    struct str line, home, without, left; /* line: its patterns, comma-separated; without: copies, too */
    bool is_drained, is_given_up;         /* the latter: its home */
};
struct fanout_waiting {
    struct str home, copy;
    uint64_t points;
};
struct fanout_progress {
    const struct fanout_frozen *frozen;
    const struct fanout_waiting *waiting;
    unsigned n_frozen, n_waiting;
};

/* May `fresh` take the place of `old` while writes are under way? Of the homes that `old` owns, not if a collection that fans out
 * loses its home or a copy and is not drained (what is recorded for them would have nowhere to go), or if a home that is not given up
 * loses its owner. Copies and lines may be added, policies changed. Clusters are the same if their names are. Errors stand in
 * the fresh map, and say what is to be done first. */
void fanout_check_change(const struct fanout_side *old, const struct fanout_side *fresh,
    const struct fanout_progress *progress, struct conf_issues *issues);

#endif
