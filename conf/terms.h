/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_TERMS_H
#define SEXTANT_CONF_TERMS_H

/* Places, networks and countries as they stand in documents. Each returns false after telling what is wrong. Pure. */

#include "conf/scan.h"
#include "geoip/geo_place.h"
#include "proxy/base/addr.h"

bool term_place(const struct scan *s, struct word w, struct place *ret_place);
bool term_network(const struct scan *s, struct word w, struct cidr *ret_net);
bool is_country(struct str s); /* two capitals of ISO 3166 */
/* What somebody may have meant who wrote a country or a continent in another way ("de", "UK", "EU"); else STR_NONE. */
struct str term_meant(struct arena *arena, struct str wrong);
/* "network 10.0.0.0/8": would begin there if the bits past its length were cleared; "" when that is not what is wrong. */
const char *network_base(struct str wrong, char text[ADDR_TEXT_MAX + 4]);

#endif
