/* SPDX-License-Identifier: Apache-2.0
 *
 * A cell is one number: 16 bits of the journal, 48 of the record; 0 is empty. Cells of one journal only grow.
 */
#include "proxy/flow/recall.h"

#include <stdatomic.h>

#include "conf/topology.h"
#include "proxy/base/mem.h"

enum { LSN_BITS = 48 };
#define LSN_MASK ((UINT64_C(1) << LSN_BITS) - 1)

typedef atomic_ullong cell;

struct recall {
    _Atomic(cell *) homes[CLUSTERS_MAX]; /* by slot; NULL until something was written there */
};

struct recall *
recall_new(void)
{
    return MEM_NEW(struct recall);
}

void
recall_free(struct recall *r)
{
    for (unsigned i = 0; r && i < CLUSTERS_MAX; i++)
        mem_free(atomic_load(&r->homes[i]));
    mem_free(r);
}

static cell *
make_cells(struct recall *r, unsigned home)
{
    cell *found = atomic_load(&r->homes[home]), *fresh;

    if (found)
        return found;
    fresh = mem_array(RECALL_CELLS, sizeof(*fresh));
    if (atomic_compare_exchange_strong(&r->homes[home], &found, fresh))
        return fresh;
    mem_free(fresh);
    return found;
}

void
recall_note(struct recall *r, unsigned home, uint64_t name, uint64_t journal, uint64_t lsn)
{
    cell *at = &make_cells(r, home)[name % RECALL_CELLS];
    unsigned long long is = atomic_load(at), shall = journal << LSN_BITS | (lsn & LSN_MASK);

    while ((is >> LSN_BITS != shall >> LSN_BITS || is < shall) && !atomic_compare_exchange_weak(at, &is, shall))
        ;
}

struct recalled
recall_look(const struct recall *r, unsigned home, uint64_t name, uint64_t journal)
{
    cell *cells = atomic_load(&r->homes[home]);
    unsigned long long is = cells ? atomic_load(&cells[name % RECALL_CELLS]) : 0;

    return (struct recalled){ is & LSN_MASK, is && is >> LSN_BITS != (journal << LSN_BITS) >> LSN_BITS };
}
