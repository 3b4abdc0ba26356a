/* SPDX-License-Identifier: Apache-2.0
 *
 * The document of metrics.
 */
#include <string.h>

#include "proxy/base/fail.h"
#include "proxy/obs/metrics_impl.h"

static const struct line {
    const char *group; /* NULL: a metric */
    enum metric_id id;
} lines[] = {
#define GROUP(title) { title, METRIC_COUNT },
#define COUNTER(id, labels, name, help, worry) { NULL, METRIC_##id },
#define LEVEL(id, labels, name, help, worry) { NULL, METRIC_##id },
#define HISTOGRAM(id, labels, name, help, worry) { NULL, METRIC_##id },
#define GAUGE(id, labels, name, help, worry) { NULL, METRIC_##id },
#define TOTAL(id, labels, name, help, worry) { NULL, METRIC_##id },
#include "proxy/obs/metrics.def"
#undef GROUP
#undef COUNTER
#undef LEVEL
#undef HISTOGRAM
#undef GAUGE
#undef TOTAL
};

static const char *const label_sets[] = {
#define LABELS(id, combinations, names) names,
#define LABEL(name, values)
#include "proxy/obs/metrics_labels.def"
#undef LABELS
#undef LABEL
};

static const struct label {
    const char *name, *values;
} label_list[] = {
#define LABELS(id, combinations, names)
#define LABEL(name, values) { name, values },
#include "proxy/obs/metrics_labels.def"
#undef LABELS
#undef LABEL
};

static void
print_metric(const struct metric_info *info, struct buf *out)
{
    buf_printf(out, "| `%s` | %s | %s | %s | %s |\n", info->name, metric_type_names[info->type],
        label_sets[info->labels], info->help, info->worry);
}

static void
print_names(const char *const *names, unsigned n, struct buf *out)
{
    for (unsigned i = 0; i < n; i++) {
        if (names[i])
            buf_printf(out, "%s`%s`", i ? ", " : ": ", names[i]);
    }
}

static void
print_labels(const struct metrics_labels *labels, struct buf *out)
{
    buf_add(out, STR("\n## Labels\n\n| label | values |\n|---|---|\n"));
    for (unsigned i = 0; i < sizeof(label_list) / sizeof(label_list[0]); i++) {
        const struct label *label = &label_list[i];

        buf_printf(out, "| `%s` | %s", label->name, label->values);
        if (strcmp(label->name, "kind") == 0)
            print_names(labels->kinds, METRICS_KINDS, out);
        if (strcmp(label->name, "source") == 0)
            print_names(labels->sources, METRICS_SOURCES, out);
        buf_add(out, STR(" |\n"));
    }
}

static void
print_codes(struct buf *out)
{
    static const char *const blame[] = { [BLAME_CLIENT] = "client",
        [BLAME_POLICY] = "partition map",
        [BLAME_UPSTREAM] = "cluster",
        [BLAME_US] = "this edge" };

    buf_add(out, STR("\n## Codes of failures\n\n| code | status | whose matter | meaning |\n|---|---|---|---|\n"));
    for (unsigned i = FAIL_NONE + 1; i < FAIL_COUNT; i++) {
        const struct fail_info *info = fail_info((enum fail)i);

        buf_printf(out, "| `%s` | %d | %s | %s |\n", info->code, info->status, blame[info->blame], info->sentence);
    }
}

void
metrics_print_markdown(const struct metrics_labels *labels, struct buf *out)
{
    buf_add(out,
        STR("# Metrics\n\nMade from `proxy/obs/metrics.def` by `make metrics-doc`; do not edit.\n\n"
            "`/metrics` of the admin listener gives them in Prometheus' text format, version 0.0.4. Scrape it every 15 "
            "s; one scrape\ncosts a few milliseconds of the control thread and nothing on the way of requests. "
            "Counters start at 0 with\nthe process; those by kind of operation, status or country appear when they are "
            "first counted, and those of a cluster\nend when a reload takes it away. Alerts that use them stand in "
            "[conf/prometheus/alerts.yml](../conf/prometheus/alerts.yml), with what to do in\n"
            "[alerts.md](alerts.md); a dashboard in "
            "[conf/grafana/sextant.json](../conf/grafana/sextant.json).\n"));
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (lines[i].group)
            buf_printf(out, "\n## %s\n\n| metric | type | labels | meaning | when to worry |\n|---|---|---|---|---|\n",
                lines[i].group);
        else
            print_metric(&metric_infos[lines[i].id], out);
    }
    print_labels(labels, out);
    print_codes(out);
}
