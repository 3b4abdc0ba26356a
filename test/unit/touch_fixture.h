/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_TOUCH_FIXTURE_H
#define SEXTANT_TEST_UNIT_TOUCH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "proxy/sync/touch.h"

/* What was found, in one line: "1 2 a/7 payload state", "scan a/ {…} 1", "parts [delete 1] [set_payload scan {…}]". */
static inline void
describe_into(const struct touch *t, struct buf *out)
{
    if (t->kind == TOUCH_SCAN)
        buf_printf(out, "scan " STR_FMT "%s" STR_FMT " ", STR_ARG(t->shard_keys[t->scan_key]), t->scan_key ? "/ " : "",
            STR_ARG(t->filter));
    for (unsigned i = 0; i < t->n_points; i++) {
        if (t->points[i].shard_key)
            buf_printf(out, STR_FMT "/", STR_ARG(t->shard_keys[t->points[i].shard_key]));
        point_put_json(&t->points[i].id, out);
        buf_putc(out, ' ');
    }
    buf_add(out, t->flags & TOUCH_PAYLOAD_ONLY ? STR("payload ") : STR(""));
    buf_add(out, t->flags & TOUCH_STATE ? STR("state ") : STR(""));
}

static inline void
describe(const struct touch *t, struct buf *out)
{
    describe_into(t, out);
    for (unsigned i = 0; i < t->n_parts; i++) {
        buf_printf(out, "[%s " STR_FMT ": ", op_info(t->parts[i].op)->name, STR_ARG(t->parts[i].body));
        describe_into(&t->parts[i].touch, out);
        buf_truncate(out, buf_len(out) - 1);
        buf_add(out, STR("] "));
    }
    if (buf_len(out))
        buf_truncate(out, buf_len(out) - 1);
}

#endif
