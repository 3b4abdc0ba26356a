/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_INCARNATIONS_H
#define SEXTANT_SYNC_INCARNATIONS_H

/* Which incarnation of each collection of a home the journal has made, and which it has deleted: what no record deleted must not
 * be deleted at a copy, whatever home looks like. Pure. */

#include "proxy/base/buf.h"
#include "proxy/base/str.h"

enum inc_state {
    INC_NONE, /* nothing is known of that name */
    INC_LIVE,
    INC_GONE,
    INC_UNSURE /* a record makes or deletes it, and what came of that is not known */
};

struct incarnations;

struct incarnations *incs_new(void);
void incs_free(struct incarnations *incs);
/* The incarnation lives until the next change. */
enum inc_state incs_state(const struct incarnations *incs, struct str name, struct str *ret_inc);
void incs_set(struct incarnations *incs, struct str name, struct str inc, enum inc_state state);
/* A record deletes this one. Of each name the last few are kept. */
void incs_delete(struct incarnations *incs, struct str name, struct str inc);
bool incs_is_deleted(const struct incarnations *incs, struct str name, struct str inc);
/* Home was read while no change of the name was under way. `inc` empty: it has none; `is_there`: the collection. */
void incs_saw(struct incarnations *incs, struct str name, bool is_there, struct str inc);

void incs_encode(const struct incarnations *incs, struct buf *out);
bool incs_decode(struct incarnations *incs, struct str *io); /* into a fresh one */

#endif
