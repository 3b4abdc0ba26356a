/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_GEOIP_MMDB_WRITER_H
#define SEXTANT_GEOIP_MMDB_WRITER_H

/* From text ranges to a MaxMind DB file: the default data and test fixtures. Pure.
 *
 * A line is `start,end,CC[,lat,lon]` or `network,CC[,lat,lon]`; IPv4 dotted or as a decimal number, IPv6 as text; `#` begins
 * a comment. Later lines win over earlier ones; the country `??` makes addresses unknown again. Records are flat
 * (country_code, latitude, longitude) or, where asked for, of GeoIP2's form (country.iso_code, location.latitude). IPv4 is kept at ::/96, so IPv6 ranges may not begin there. The same lines give the same bytes. */

#include <stdint.h>

#include "proxy/base/buf.h"

enum { MMDB_TYPE_MAX = 100 };

struct mmdb_writer;

struct mmdb_writer *mmdb_writer_new(void);
void mmdb_writer_free(struct mmdb_writer *w);
/* Add a whole text. False at the first bad line: *ret_line and *ret_error (static) say where and why. */
bool mmdb_writer_add(struct mmdb_writer *w, struct str text, unsigned *ret_line, const char **ret_error);
/* The least bits of a reference in the search tree: 24, or 28 or 32, which large data gets anyway. */
void mmdb_writer_set_record_size(struct mmdb_writer *w, unsigned bits);
/* Write records of GeoIP2's form, which is all that some readers know. */
void mmdb_writer_set_geoip2(struct mmdb_writer *w);
/* Append the file; the last thing done with a writer. `epoch` is seconds since 1970, not 0; `type` the database_type, at most
 * MMDB_TYPE_MAX bytes. */
void mmdb_writer_write(struct mmdb_writer *w, uint64_t epoch, struct str type, struct buf *out);

#endif
