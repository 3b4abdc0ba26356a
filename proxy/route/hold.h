/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ROUTE_HOLD_H
#define SEXTANT_ROUTE_HOLD_H

/* An operator's word that a cluster, or one endpoint of it, is not to be used: what docs/admin.md calls an override. Whatever
 * probes say, what is held gets no new request, not by all_down=try either. A list of holds is immutable; changing it makes
 * another one. Pure, but for the memory. */

#include "proxy/base/buf.h"

enum hold_kind {
    HOLD_NONE,
    HOLD_DRAIN, /* what runs may finish */
    HOLD_DOWN   /* what runs and may be moved is moved at once */
};

enum { HOLD_REASON_BYTES = 500, HOLD_BY_BYTES = 160, HOLDS_MAX = 4096, HOLDS_TEXT_MAX = 8 << 20 };

struct hold {
    enum hold_kind kind;
    struct str cluster;
    unsigned endpoint; /* its number, 1-based; 0: the whole cluster */
    struct str reason; /* free text, may be empty */
    struct str by;     /* who ordered it */
    struct str since;  /* when, as text */
};

struct holds {
    const struct hold *items;
    unsigned n;
};

const char *hold_kind_name(enum hold_kind kind); /* "drain", "down"; "up" for none */
/* "eu" or "eu/2". False: no target. */
bool hold_target_parse(struct str text, struct str *ret_cluster, unsigned *ret_endpoint);
void hold_target_print(const struct hold *h, struct buf *out);

struct holds *holds_new(void); /* an empty list */
void holds_free(struct holds *h);
const struct hold *holds_find(const struct holds *h, struct str cluster, unsigned endpoint); /* or NULL */
/* A new list with the change made: HOLD_NONE takes the target's hold away, another kind sets it or replaces it. Texts are
 * copied. NULL when there would be more than HOLDS_MAX. */
struct holds *holds_change(const struct holds *old, const struct hold *change);

/* The text of the file that keeps them, and back: strictly, as one that is damaged must not be taken for one that holds
 * nothing. NULL, with why in *ret_error (static text). */
void holds_print(const struct holds *h, struct buf *out);
struct holds *holds_parse(struct str text, const char **ret_error);

#endif
