/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_MARKS_IMPL_H
#define SEXTANT_SYNC_MARKS_IMPL_H

/* How marks lie in memory, for marks*.c only.
 *
 * Slots stand side by side; one that goes is filled by the last, so that memory can be given back. They are found by linear
 * hashing (Litwin, 1980): the table of chains grows by one chain at a time, and no insertion ever pays for all. By its state a
 * slot is in exactly one container, at `pos`: a heap by age (ready ones: two for each pair of collection and shard key), the
 * array of flights, or the queue of settled ones. Arrays grow by a thirty-second: the kernel moves large ones by their pages. */

#include "proxy/base/mem.h"
#include "proxy/sync/marks.h"

#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

struct slot {
    uint64_t lo;
    uint64_t lsn : 48, byte : 8 /* parked: the reason; settled: the second */, state : 3, is_uuid : 1;
    uint64_t payload_only : 1, urgent : 1;
    uint64_t was_shipped : 1; /* an earlier change than this mark's may be unsettled at the copy */
    uint64_t time_ms : 40, group : 18, again : 5, is_tainted : 1;
    uint32_t next, pos; /* next of its chain; place in the container of its state */
};
_Static_assert(sizeof(struct slot) == 32, "40 bytes a mark");

enum { GROUPS_MAX = 1 << 18, AGAIN_MAX = 31 };
#define NO_SLOT UINT32_MAX
#define MARKS_LSN_MAX ((UINT64_C(1) << 48) - 1)
#define MARKS_MS_MAX ((UINT64_C(1) << 40) - 1)

/* A ship of it may still land, and undo what lands before that. */
static inline bool
slot_is_unsure(const struct slot *s)
{
    return s->again || s->is_tainted;
}

struct vec { /* of slots */
    uint32_t *items, n, cap;
};

struct group_key {
    uint32_t collection, shard_key;
};

struct group { /* of marks of one collection and shard key */
    struct group_key key;
    uint32_t number, n;
    bool is_blocked;
    struct vec ready[2]; /* heaps; [1]: urgent ones */
    UT_hash_handle hh;
};

struct flight {
    uint64_t number;
    uint64_t since_lsn, since_ms; /* the first change since it took off */
    uint32_t slot;
    bool is_changed, since_payload_only;
    bool is_ready; /* a write on the point got its outcome meanwhile */
};

struct settled { /* slots by the time they settled; NO_SLOT where one has gone */
    struct vec queue;
    uint32_t head, holes;
};

struct marks {
    struct hash_key key;
    size_t budget;
    struct slot *slots;
    uint64_t *hi; /* beside the slots, once there was a UUID */
    uint32_t n, cap, hi_cap;
    uint32_t *chains, n_chains, chains_cap;
    struct group **groups, *group_table; /* by number, NULL where one has gone; by key */
    uint32_t n_groups, groups_cap;
    uint32_t *blocked, n_blocked, blocked_cap;
    struct vec heaps[MARK_STATES]; /* of delayed, parked and waiting ones */
    struct flight *flights;
    uint32_t n_flights, flights_cap;
    struct settled settled;
    uint64_t last_number;
    uint32_t n_picks;
    struct mark_age newest;
    struct mark_age floor[2]; /* nothing was open below it at the start of this minute, and of the one before */
    bool has_floor;
    int64_t floor_at_us, settled_us; /* settled: when that was last looked at; 0: never */
    uint32_t counts[MARK_STATES];
    struct {
        bool is_active, has_head;
        uint32_t at;
        struct buf moved; /* marks that were moved from beyond `at` to before it */
    } save;
};

/* marks_table.c */
uint32_t table_find(const struct marks *m, const struct mark_key *key); /* NO_SLOT: not there */
/* It, or a new one that is ready (*ret_is_new); NO_SLOT: over the budget. */
uint32_t table_get(struct marks *m, const struct mark_key *key, bool *ret_is_new);
void table_remove(struct marks *m, uint32_t at); /* and from its container */
void table_free(struct marks *m);                /* all but *m */
void *table_grow(void *items, uint32_t *cap, uint32_t n, size_t size);
void *table_shrink(void *items, uint32_t *cap, uint32_t n, size_t size);
void mark_view_of(const struct marks *m, uint32_t at, struct mark_view *ret_view);

uint64_t mark_ms(int64_t wall_us); /* as it is kept */
struct mark_age mark_age_of(uint64_t lsn, uint64_t time_ms);
uint8_t mark_second(int64_t mono_us); /* wraps; good for spans below 256 s */

/* marks_container.c */
void container_enter(struct marks *m, uint32_t at, enum mark_state state);
void container_leave(struct marks *m, uint32_t at);
void container_tell(struct marks *m, uint32_t at);                 /* that the slot lies at another place now */
void table_move(struct marks *m, uint32_t at, enum mark_state to); /* from one container to another */
void table_set_urgent(struct marks *m, uint32_t at);
void table_set_age(struct marks *m, uint32_t at, uint64_t lsn, uint64_t time_ms);

/* marks.c: it changes while it is in the air */
void mark_in_flight(struct marks *m, struct slot *s, uint64_t lsn, uint64_t time_ms, bool payload_only);

/* marks_save.c */
void save_mark(const struct marks *m, uint32_t at, struct buf *out);

#endif
