/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_FLOW_CASE_LIB_H
#define SEXTANT_TEST_FLOW_CASE_LIB_H

/* Case files as text; what the lines mean is known to test_flow.c. */

#include "proxy/base/arena.h"

enum { CASES_MAX = 256 };

struct flow_case {
    char *file, *name, *text;
    unsigned line; /* of the first line of text */
};

unsigned cases_load(const char *folder, struct flow_case cases[CASES_MAX]);
void cases_free(struct flow_case *cases, unsigned n);
struct str case_bytes(struct arena *a, struct str text); /* escapes undone; a NUL follows */

#endif
