/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_OWNER_REACH_H
#define SEXTANT_SYNC_OWNER_REACH_H

/* Readers with X-Sextant-Token are told how far writes have come. What is not told again lapses: see reach.h. */

struct home;
struct lane;

void home_begin_reach(struct home *h); /* its journal is this one's */
void home_tell_reach(struct home *h);  /* is it sure to have lost nothing? */
void lane_tell_reach(struct lane *l);  /* its position */

#endif
