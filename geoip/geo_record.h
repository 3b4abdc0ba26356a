/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_GEO_RECORD_H
#define SEXTANT_GEOIP_GEO_RECORD_H

/* What one record of a database's data section says of a place, whatever family of databases it is from. Pure. */

#include "geoip/geo_place.h"
#include "geoip/mmdb_value.h"

/* False: the record is damaged, or the reader's steps are used up. Else *ret_place, whose source is PLACE_DATABASE, or
 * PLACE_NONE if the record says nothing of use. */
bool geo_record_place(struct mmdb_reader *r, size_t offset, struct place *ret_place);

#endif
