/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_URL_H
#define SEXTANT_CONF_URL_H

#include "conf/topology.h"

/* "http://host[:port][/prefix]" or https, the scheme in any case. NULL, or what is wrong (static text) with *ret_url untouched.
 * Texts are copied into the arena. Pure. */
const char *url_parse(struct str text, struct arena *arena, struct url *ret_url);
/* Do both lead to the same place, however they are spelt? */
bool url_same_server(const struct url *a, const struct url *b);

#endif
