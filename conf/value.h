/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_VALUE_H
#define SEXTANT_CONF_VALUE_H

/* One parser and one printer for each type of options.def. Pure.
 *
 *   text     anything            flag     on/off, true/false, yes/no, 1/0, in any case
 *   count    digits              percent  a decimal number, a % after it is allowed
 *   size     a number and B, KiB, MiB, GiB, TiB, KB, MB, GB or none (bytes)
 *   msec     a number and ms, s, m or min, h, d; 0 needs no unit
 * Fractions are allowed where the result is whole ("1.5MiB"); results end at 2^53. */

#include "conf/conf.h"

enum value_type { VALUE_text, VALUE_flag, VALUE_count, VALUE_size, VALUE_msec, VALUE_percent };

/* What value_parse() returns when only the range was missed. */
extern const char value_out_of_range[];

/* Parse into the field of that type at `field`. NULL, or what was expected (static text) with the field untouched. `min` and
 * `max` are texts of the same type, "" for none. A text is not copied. */
const char *value_parse(enum value_type type, struct str text, const char *min, const char *max, void *field);
/* Append the value so that value_parse() reads the same again. */
void value_print(enum value_type type, const void *field, struct buf *out);
const char *value_type_name(enum value_type type); /* for documentation: "duration" */

#endif
