/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_ADMIN_STATUS_H
#define SEXTANT_ADMIN_STATUS_H

/* The parts of /status; the moment is a parameter. Its shape is documented in docs/admin.md. */

#include "proxy/admin/admin.h"
#include "proxy/base/json.h"

struct status_moment {
    int64_t wall_us, mono_us;
    unsigned n_events; /* how many at most */
};

void status_print(const struct admin_view *view, const struct status_moment *at, struct buf *out);

/* Members of the object that `w` is in. */
void status_put_clusters(const struct admin_view *view, const struct status_moment *at, struct json_writer *w);
void status_put_callers(const struct admin_view *view, struct json_writer *w);
void status_put_map(const struct admin_view *view, struct json_writer *w);
void status_put_fanout(const struct admin_view *view, struct json_writer *w);
void status_put_events(const struct status_moment *at, struct json_writer *w);

/* Of the metrics page. */
void metrics_print_fanout(const struct admin_view *view, struct buf *out);

#endif
