/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_REACH_H
#define SEXTANT_SYNC_OWNER_REACH_H

/* Readers are told which clusters lack data, and those with X-Sextant-Token how far writes have come. Positions that are not told
 * again lapse: see reach.h. */

#include <stdbool.h>

struct home;
struct lane;

/* Of a lane:  is_partial   not all of home's data are there, as far as is known: until it was filled
 *             has_lost     that was found by a collection which is not there: it is to be filled, whatever the copy's notes say
 *             is_swapped   another cluster answers
 * Of a home:  is_lost      its data are not there, as its claim says */

void home_begin_reach(struct home *h); /* its journal is this one's */
void home_tell_reach(struct home *h);  /* is it sure to have lost nothing? has it its data? */
void lane_tell_reach(struct lane *l);  /* its position, and whether it lacks data */

/* A collection is not there, and no record deleted it. True: the copy is looked at anew before anything is done about that. False: it is
 * being filled already. */
bool lane_has_lost(struct lane *l);
void lane_look_whether_whole(struct lane *l); /* has it been filled by now? */
void home_note_loss(struct home *h);          /* its claim has changed */

#endif
