/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_TOUCH_IMPL_H
#define SEXTANT_SYNC_TOUCH_IMPL_H

/* For touch*.c only. */

#include "proxy/base/json_text.h"
#include "proxy/route/write_rule.h"
#include "proxy/sync/touch.h"

struct touch_read {
    struct arena *arena;
    struct json_text text;
    enum fail fail; /* NONE while all is well */
    struct str error;
    struct buf points, keys; /* of struct touch_point and struct str; a key's first is empty */
    struct buf texts;        /* of struct touch_text, one for each point that was read */
    bool is_vague;           /* of some it cannot be told */
};

/* All give false, for the caller to pass on; the first reason stands. */
bool touch_refuse(struct touch_read *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool touch_too_large(struct touch_read *r, const char *what, unsigned limit);

/* touch_read.c: the body of one operation, which is next in the text; adds its points and keys to `r`. */
bool touch_read_write(struct touch_read *r, const struct write_rule *rule, struct touch *touch);

/* touch_filter.c: a filter that can select none but the points it lists. False: it lists none, or is not understood. */
struct touch_has_id {
    struct str ids;   /* the array */
    bool is_complete; /* and nothing else decides */
};
bool touch_filter_ids(struct str filter, struct touch_has_id *ret);

#endif
