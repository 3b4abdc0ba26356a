/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_WORLD_IMPL_H
#define SEXTANT_ROUTE_WORLD_IMPL_H

/* Shared by world*.c only. */

#include "proxy/route/world.h"

/* world_tls.c: certificates and rules of both sides, and whether they fit the listeners and the URLs. */
void world_load_tls(struct world *w, struct conf_issues *issues);

#endif
