/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_RESTORE_IMPL_H
#define SEXTANT_SYNC_RESTORE_IMPL_H

/* For owner_restore.c, restore_walk.c and owner_view.c only. */

#include "proxy/sync/listing.h"
#include "proxy/sync/owner_impl.h"

enum restore_stage {
    RESTORE_OFF, /* called off: closed until the next order */
    RESTORE_RECORDS,
    RESTORE_CLAIMS,
    RESTORE_SETTLES,
    RESTORE_WALKS,
    RESTORE_REWINDS,
    RESTORE_SAVES,
    RESTORE_ENDS
};

struct restore {
    struct home *home;
    char *from; /* the copy */
    enum restore_stage stage;
    bool may_delete; /* at home, as many as there are */
    bool was_held;   /* its claim, when this was ordered and ever since: what it was before is what it is */
    uint64_t lsn;    /* of the record that is under way, and moves it on */
    uint64_t saves;  /* so many checkpoints must be there */
    bool has_rewound;
    char trouble[160]; /* with the claim */

    /* Of the walk. */
    struct home *source; /* the copy, as a home without writes */
    struct lane *lane;   /* from there to home */
    struct listing *listing;
    char **names;
    unsigned n_names;
    bool is_listed, is_walking;
};

/* restore_walk.c */
void restore_walk_begin(struct restore *r);
bool restore_walk_is_over(struct restore *r); /* all of it is at home. Asked at each tick, it goes on by that */
void restore_walk_again(struct restore *r);   /* what may be deleted has changed */
void restore_learn(struct restore *r);        /* what was restored is what the journal takes for its own */
void restore_walk_end(struct restore *r);     /* also of one that has not begun */

#endif
