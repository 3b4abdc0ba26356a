/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_GEO_PLACE_H
#define SEXTANT_GEOIP_GEO_PLACE_H

/* What is known of where somebody is. Pure. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/addr.h"
#include "proxy/base/str.h"

enum continent {
    CONTINENT_NONE,
    CONTINENT_AFRICA,
    CONTINENT_ANTARCTICA,
    CONTINENT_ASIA,
    CONTINENT_EUROPE,
    CONTINENT_NORTH_AMERICA,
    CONTINENT_OCEANIA,
    CONTINENT_SOUTH_AMERICA,
    CONTINENT_COUNT
};

/* In the order in which they are tried. */
enum place_source { PLACE_NONE, PLACE_HINT, PLACE_OVERRIDE, PLACE_DATABASE, PLACE_DEFAULT };

struct place {
    char country[3]; /* upper-case ISO 3166-1 alpha-2, or "" */
    uint8_t continent;
    uint8_t source; /* enum place_source; PLACE_NONE means unplaced */
    bool has_point;
    float lat, lon; /* degrees */
};

/* "DE", "aws:eu-central-1", "50.1,8.7". The source is left PLACE_NONE for the caller to set; a country gets its point and
 * continent, a cloud region its country as well, coordinates nothing but the point. False: not a place. */
bool place_parse(struct str text, struct place *ret_place);
/* "DE", "50.10,8.70", "europe", "unplaced". Returns text. */
const char *place_print(const struct place *p, char text[32]);
const char *place_source_name(enum place_source source); /* "database" */

bool country_is_known(const char code[2]);
/* Point and continent of a country; false if unknown. Points: tzdata's zone.tab, see scripts/geo_points.py. */
bool country_point(const char code[2], struct place *ret_place);
struct str continent_name(enum continent c);          /* "north-america" */
enum continent continent_parse(struct str name);      /* of such a name, else CONTINENT_NONE */
enum continent continent_of_code(const char code[2]); /* "NA" → north america, as databases spell it */
/* The cloud region nearest in spelling, with or without the cloud's name, for error messages; empty if none is near. */
struct str cloud_region_nearest(struct str name);

double place_distance_km(const struct place *a, const struct place *b); /* great circle; both must have points */

/* Special-purpose addresses (RFC 6890 and its registries): private, loopback, link-local, documentation, CGNAT, multicast,
 * no address at all, and tunnels that carry one of these. */
bool addr_is_special(const struct addr *a);
/* NAT64 (64:ff9b::/96), 6to4, Teredo and mapped addresses carry an IPv4 address: give that; else the address as it is. */
struct addr addr_unwrap(const struct addr *a);

#endif
