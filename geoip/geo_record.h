/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_GEO_RECORD_H
#define SEXTANT_GEOIP_GEO_RECORD_H

/* Reading one record of an mmdb's data section (MaxMind DB file format 2.0), whatever family of file it is from. Pure,
 * bounded in depth and steps: libmaxminddb before 1.13 can be led to overflow the stack by nested maps. */

#include "geoip/geo_place.h"

/* False: the record is damaged. True with place->country empty and no point: it says nothing of use. */
bool geo_record_place(const uint8_t *data, size_t size, size_t offset, struct place *ret_place);

/* Is there one well-formed value at `offset`, nested at most 32 deep? */
bool geo_record_is_sane(const uint8_t *data, size_t size, size_t offset);

#endif
