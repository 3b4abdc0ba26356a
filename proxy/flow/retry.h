/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_FLOW_RETRY_H
#define SEXTANT_FLOW_RETRY_H

/* Whether a failed exchange may be followed by another, and where. Pure. The rules, first match counts:
 *   answer began, time over, tries used up, body gone          give up
 *   nothing was sent, now or (unless safe to repeat) before    another endpoint, else another permitted cluster; free
 *   (without a free place in the cluster: another cluster only)
 *   a reused connection died before the answer, safe to repeat the same backend on a fresh connection; free
 *   node-local                                                 give up
 *   the cluster refuses our key, safe to repeat                another permitted cluster; free
 *   safe to repeat                                             another endpoint, else another permitted cluster
 *   a write that is certainly idempotent                       the same cluster
 *   anything else                                              give up: the outcome is unknown
 * Resets before the answer draw nothing from the retry budget once a cluster; everything else that is not free does. */

#include "proxy/upstream/leg.h"

enum { RETRY_TRIES_MAX = 8 };

struct leg_decision retry_decide(const struct leg_facts *facts);

#endif
