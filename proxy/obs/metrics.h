/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_METRICS_H
#define SEXTANT_OBS_METRICS_H

/* Counters and histograms of metrics.def. Each thread counts into a set of its own without locked instructions; the page
 * adds the sets up. Labels are small integers: cluster slots (METRICS_CLUSTERS - 1 is "none"), kinds, classes, failures. */

#include <stdint.h>

#include "proxy/base/buf.h"

enum {
    METRICS_CLUSTERS = 65,
    METRICS_KINDS = 6,
    METRICS_CLASSES = 6,
    METRICS_SOURCES = 5,
    METRICS_KEYS = 9,
    METRICS_NO_CLUSTER = 64
};
enum { METRICS_COUNTRIES = 1 + 26 * 26 }; /* the first is "no country" */

enum metric_id {
#define GROUP(title)
#define COUNTER(id, labels, name, help, worry) METRIC_##id,
#define LEVEL(id, labels, name, help, worry) METRIC_##id,
#define HISTOGRAM(id, labels, name, help, worry) METRIC_##id,
#define GAUGE(id, labels, name, help, worry) METRIC_##id,
#define TOTAL(id, labels, name, help, worry) METRIC_##id,
#include "proxy/obs/metrics.def"
#undef GROUP
#undef COUNTER
#undef LEVEL
#undef HISTOGRAM
#undef GAUGE
#undef TOTAL
    METRIC_COUNT
};

struct metrics;

struct metrics *metrics_new(void); /* one a thread */
void metrics_free(struct metrics *m);

/* Only the set's own thread may count. The cell of a label combination is built with the inline functions below. */
void metrics_add(struct metrics *m, enum metric_id id, unsigned cell, uint64_t n);
void metrics_move(struct metrics *m, enum metric_id id, unsigned cell, int by); /* of a LEVEL: up or down */
void metrics_observe_us(struct metrics *m, enum metric_id id, unsigned cell, int64_t us);

static inline unsigned
metrics_cluster_kind(unsigned slot, unsigned kind)
{
    return slot * METRICS_KINDS + kind;
}

static inline unsigned
metrics_cluster_kind_class(unsigned slot, unsigned kind, int status)
{
    unsigned class = status >= 100 && status < 600 ? (unsigned)status / 100 : 0;

    return (slot * METRICS_KINDS + kind) * METRICS_CLASSES + class;
}

static inline unsigned
metrics_country(const char *code)
{
    bool is_code = code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z';

    return is_code ? 1 + (unsigned)(code[0] - 'A') * 26 + (unsigned)(code[1] - 'A') : 0;
}
/* The reverse; "" for the first. */
static inline void
metrics_country_code(unsigned cell, char ret_code[3])
{
    ret_code[0] = cell ? (char)('A' + (cell - 1) / 26) : '\0';
    ret_code[1] = cell ? (char)('A' + (cell - 1) % 26) : '\0';
    ret_code[2] = '\0';
}

/* A counter's cell, summed over the sets. */
uint64_t metrics_total(struct metrics *const *sets, unsigned n, enum metric_id id, unsigned cell);

/* Names for label values; entries may be NULL where a slot is not in use. */
struct metrics_labels {
    const char *clusters[METRICS_CLUSTERS];
    const char *kinds[METRICS_KINDS];
    const char *sources[METRICS_SOURCES];
    const char *keys[METRICS_KEYS];
};

/* All that is counted, in Prometheus' text format, summed over the sets. Counters of few combinations are there from the
 * start, so that their first step shows as one; others while they are not zero. What was counted for a slot without a name is
 * left out. */
void metrics_print(struct metrics *const *sets, unsigned n, const struct metrics_labels *labels, struct buf *out);
/* "# HELP" and "# TYPE" of what is read; then metrics_print_gauge() for each sample, labels as `name="value",...` or "". */
void metrics_print_head(enum metric_id id, struct buf *out);
void metrics_print_gauge(enum metric_id id, const char *labels, double value, struct buf *out);
/* Append value with the escapes of a label value. */
void metrics_print_label(struct buf *out, const char *name, struct str value);
/* docs/metrics.md. Names that are NULL are not listed. */
void metrics_print_markdown(const struct metrics_labels *labels, struct buf *out);

#endif
