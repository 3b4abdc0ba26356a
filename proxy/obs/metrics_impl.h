/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_OBS_METRICS_IMPL_H
#define SEXTANT_OBS_METRICS_IMPL_H

/* The table of metrics.def, for metrics*.c only. */

#include "proxy/obs/metrics.h"

enum metric_labels {
#define LABELS(id, combinations, names) LABELS_##id,
#define LABEL(name, values)
#include "proxy/obs/metrics_labels.def"
#undef LABELS
#undef LABEL
};

enum metric_type { METRIC_COUNTER, METRIC_LEVEL, METRIC_HISTOGRAM, METRIC_GAUGE, METRIC_TOTAL };

struct metric_info {
    enum metric_type type;
    enum metric_labels labels;
    const char *name, *help, *worry;
};
extern const struct metric_info metric_infos[METRIC_COUNT];
extern const char *const metric_type_names[]; /* as Prometheus calls them */

#endif
