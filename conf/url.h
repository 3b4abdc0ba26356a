/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_URL_H
#define SEXTANT_CONF_URL_H

#include "conf/topology.h"

/* "http://host[:port][/prefix]". NULL, or what is wrong (static text). Slices are copied into the arena. Pure. */
const char *url_parse(struct str text, struct arena *arena, struct url *ret_url);

#endif
