/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_VALUE_H
#define SEXTANT_CONF_VALUE_H

/* One parser and one printer for each type of options.def. Pure. */

#include "conf/conf.h"

enum value_type { VALUE_text, VALUE_flag, VALUE_count, VALUE_size, VALUE_msec, VALUE_percent };

/* Parse into the field of that type at `field`. NULL, or what was expected (static text). `min` and `max` are texts of the
 * same type, "" for none; out of range is told as "between MIN and MAX". */
const char *value_parse(enum value_type type, struct str text, const char *min, const char *max, void *field);
/* Append the value so that value_parse() reads the same again. */
void value_print(enum value_type type, const void *field, struct buf *out);
const char *value_type_name(enum value_type type); /* for documentation: "duration" */

#endif
