/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_FORM_H
#define SEXTANT_ROUTE_FORM_H

/* Queries: application/x-www-form-urlencoded, as Qdrant reads it. A broken escape stands for itself. Pure. */

#include "proxy/base/str.h"

/* The next pair of *io is taken off it; false: there is none. Key and value are still encoded; the pair reaches from the start of
 * the one to the end of the other. */
bool form_next(struct str *io, struct str *ret_key, struct str *ret_value);
bool form_equals(struct str text, struct str literal); /* decoded */
bool form_u64(struct str text, uint64_t *ret_value);   /* decoded: decimal digits only */

#endif
