/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_REACH_H
#define SEXTANT_UPSTREAM_REACH_H

/* How far the writes of each home have come at each cluster, for reads with X-Sextant-Token, and which clusters lack data of it,
 * so that they are not read: told by the owner's thread where it runs in this process, else by the edge that journals for the
 * home, which is asked with each of its probes. Readers are all threads; one tells about a home. Positions that nobody repeats are
 * forgotten after REACH_LEASE_US: then nothing is known to be anywhere. That data are lacking stands until the opposite is told. */

#include "proxy/route/stamp.h"
#include "proxy/upstream/fleet.h"

#define REACH_LEASE_US (INT64_C(5) * 1000 * 1000)
#define REACH_ALL UINT64_MAX /* of a home itself, as long as it is known to have lost nothing */
enum { REACH_TEXT_MAX = 64 * 1024 };

/* Clusters by their index in the fleet. Which journal speaks of the home from now on; another one has to tell all anew. */
void reach_begin(struct fleet *f, unsigned home, uint64_t journal, uint32_t start);
/* All writes of the home up to this one are there, as was seen at `as_of_us`; it is told at `now_us`. */
void reach_tell(struct fleet *f, unsigned home, unsigned cluster, uint64_t lsn, int64_t as_of_us, int64_t now_us);

/* Is it known not to have all that the home has, as a copy that is being filled, or, as the home itself, to have lost its data? False:
 * it was told that before. */
bool reach_tell_lack(const struct fleet *f, unsigned home, unsigned cluster, bool lacks);
bool reach_lacks(const struct fleet *f, unsigned home, unsigned cluster);
/* Before anybody routes by `fresh`: what its map makes a copy of a home, and the old one did not, lacks data until that home's
 * owner, here or elsewhere, says otherwise. */
void reach_expect(const struct fleet *old, const struct fleet *fresh);

struct reach_view {
    uint64_t journal;
    uint32_t start;
    uint64_t lsn; /* 0: nothing is known to be there */
    int64_t as_of_us, until_us;
};
void reach_look(const struct fleet *f, unsigned home, unsigned cluster, int64_t now_us, struct reach_view *ret_view);
/* Is the write that the stamp is of there for certain? */
bool reach_has(const struct fleet *f, unsigned home, unsigned cluster, const struct stamp *s, int64_t now_us);

/* From one edge to another: lines "1 HOME JOURNAL START CLUSTER=LSN@AGE_MS... !CLUSTER=0@0...", the latter of those that lack data.
 * What is known here of homes in the mask. */
void reach_print(const struct fleet *f, uint64_t homes, int64_t now_us, struct buf *out);
/* What an edge answered that was asked at `asked_us`, and may speak of these homes. False: it is not read to its end, as it is no such
 * text; what was told until then holds. */
bool reach_take(struct fleet *f, uint64_t homes, struct str text, int64_t asked_us);

#endif
