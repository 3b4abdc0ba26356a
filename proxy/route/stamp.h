/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_STAMP_H
#define SEXTANT_ROUTE_STAMP_H

/* What X-Sextant-Token says: which write a read must not be older than. Clients take it for opaque. It is no secret and gives
 * no right: whatever it says, only clusters that may be read without it are read, and a home is one of them. Its sum
 * finds what was damaged on the way, not what was made up. Pure. */

#include "proxy/base/str.h"

enum { STAMP_LEN = 36, STAMPS_MAX = 16 };

struct stamp {
    uint64_t journal; /* stamp_journal() of the one that has the write */
    uint32_t start;   /* of that journal, as it counts them */
    uint32_t data;    /* stamp_data() of what was written */
    uint64_t lsn;     /* of the write's record; below 2^48 */
};

uint64_t stamp_journal(struct str uuid);
/* The same at all edges and in all versions, whatever else its line of the map says. */
uint32_t stamp_data(struct str home, struct str partition);

void stamp_print(const struct stamp *stamp, char ret_text[STAMP_LEN]);
/* False: nothing that stamp_print() gives. */
bool stamp_parse(struct str text, struct stamp *ret_stamp);
/* The next one of a list "a, b, ..." off the front of *io; a comma at the end is none too many. False: it is no token. */
bool stamp_take(struct str *io, struct stamp *ret_stamp);

#endif
