/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_HTTP_TRACE_H
#define SEXTANT_HTTP_TRACE_H

/* The traceparent field of W3C Trace Context (Recommendation, §3.2). Pure. */

#include <stdint.h>

#include "proxy/http/message.h"

enum { TRACE_PARENT_BYTES = 55, TRACE_ID_BYTES = 32, TRACE_SPAN_BYTES = 16 };

struct trace { /* slices of the field's value, in lower-case hexadecimal */
    struct str id, parent;
};

/* False, and *ret_trace is empty, when the value is not valid: unknown form, a version of ff, an id of zeros. Versions after
 * 00 are read as §3.2.4 asks: what they add behind a further '-' is not looked at. */
bool trace_parse(struct str value, struct trace *ret_trace);
/* That of a request. Several such fields are as good as none (RFC 9110 §5.3 does not let them be joined). */
bool trace_of(const struct message *request, struct trace *ret_trace);
/* A new trace: version 00, sampled. The random numbers may be anything; text gets TRACE_PARENT_BYTES, no NUL. */
void trace_make(const uint64_t random[3], char *ret_text);

#endif
