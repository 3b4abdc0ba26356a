/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_PROBE_H
#define SEXTANT_UPSTREAM_PROBE_H

/* Active probes of every backend: health, round trips, and what only asking can tell: the version of each cluster and its
 * aliases. Control thread only; feeds the verdicts and publishes costs. */

#include "proxy/upstream/upstream.h"

struct prober;

/* on_findings(arg): lowest version or crossing aliases changed; prober_apply() puts them into a fleet. */
struct prober *prober_new(struct upstream *up, void (*on_findings)(void *arg), void *arg);
void prober_free(struct prober *p);
void prober_follow(struct prober *p, struct fleet *fleet); /* probe the backends of this fleet from now on */
void prober_apply(const struct prober *p, struct fleet *fresh);

#endif
