/* SPDX-License-Identifier: Apache-2.0
 *
 * A set is one array of cells; each metric owns a range whose length follows from its labels. There is one writer a set, so
 * a relaxed load and store is enough to count: no locked instruction on the request path.
 */
#include "proxy/obs/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>

#include "proxy/base/fail.h"
#include "proxy/base/mem.h"
#include "proxy/base/tls_reason.h"
#include "proxy/obs/metrics_impl.h"

/* Upper bounds in microseconds. */
static const int64_t bounds[] = { 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
    2500000, 5000000, 10000000, 30000000, 60000000 };
enum { N_BOUNDS = sizeof(bounds) / sizeof(bounds[0]), HISTOGRAM_CELLS = N_BOUNDS + 2 }; /* and +Inf, sum */

const struct metric_info metric_infos[METRIC_COUNT] = {
#define GROUP(title)
#define COUNTER(id, labels, name, help, worry) [METRIC_##id] = { METRIC_COUNTER, LABELS_##labels, name, help, worry },
#define LEVEL(id, labels, name, help, worry) [METRIC_##id] = { METRIC_LEVEL, LABELS_##labels, name, help, worry },
#define HISTOGRAM(id, labels, name, help, worry) \
    [METRIC_##id] = { METRIC_HISTOGRAM, LABELS_##labels, name, help, worry },
#define GAUGE(id, labels, name, help, worry) [METRIC_##id] = { METRIC_GAUGE, LABELS_##labels, name, help, worry },
#define TOTAL(id, labels, name, help, worry) [METRIC_##id] = { METRIC_TOTAL, LABELS_##labels, name, help, worry },
#include "proxy/obs/metrics.def"
#undef GROUP
#undef COUNTER
#undef LEVEL
#undef HISTOGRAM
#undef GAUGE
#undef TOTAL
};

const char *const metric_type_names[] = { "counter", "gauge", "histogram", "gauge", "counter" };

static const unsigned n_combinations[] = {
#define LABELS(id, combinations, names) combinations,
#define LABEL(name, values)
#include "proxy/obs/metrics_labels.def"
#undef LABELS
#undef LABEL
};

struct metrics {
    atomic_ulong *start[METRIC_COUNT];
    atomic_ulong cells[];
};

/* Is it counted by threads? */
static bool
has_cells(enum metric_type type)
{
    return type == METRIC_COUNTER || type == METRIC_LEVEL || type == METRIC_HISTOGRAM;
}

static unsigned
n_cells(const struct metric_info *info)
{
    if (!has_cells(info->type))
        return 0;
    assert(n_combinations[info->labels] > 0);
    return n_combinations[info->labels] * (info->type == METRIC_HISTOGRAM ? (unsigned)HISTOGRAM_CELLS : 1);
}

struct metrics *
metrics_new(void)
{
    struct metrics *m;
    size_t total = 0, at = 0;

    for (unsigned i = 0; i < METRIC_COUNT; i++)
        total += n_cells(&metric_infos[i]);
    m = mem_alloc(sizeof(*m) + total * sizeof(m->cells[0]));
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        m->start[i] = m->cells + at;
        at += n_cells(&metric_infos[i]);
    }
    return m;
}

void
metrics_free(struct metrics *m)
{
    mem_free(m);
}

static void
count(atomic_ulong *cell, uint64_t n)
{
    atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n, memory_order_relaxed);
}

void
metrics_add(struct metrics *m, enum metric_id id, unsigned cell, uint64_t n)
{
    assert(metric_infos[id].type == METRIC_COUNTER && cell < n_combinations[metric_infos[id].labels]);
    count(m->start[id] + cell, n);
}

void
metrics_move(struct metrics *m, enum metric_id id, unsigned cell, int by)
{
    assert(metric_infos[id].type == METRIC_LEVEL && cell < n_combinations[metric_infos[id].labels]);
    count(m->start[id] + cell, (uint64_t)(int64_t)by);
}

void
metrics_observe_us(struct metrics *m, enum metric_id id, unsigned cell, int64_t us)
{
    atomic_ulong *start = m->start[id] + (size_t)cell * HISTOGRAM_CELLS;
    unsigned b = 0;

    assert(metric_infos[id].type == METRIC_HISTOGRAM && cell < n_combinations[metric_infos[id].labels]);
    while (b < N_BOUNDS && us > bounds[b])
        b++;
    count(start + b, 1);
    count(start + N_BOUNDS + 1, us > 0 ? (uint64_t)us : 0);
}

static uint64_t
sum(struct metrics *const *sets, unsigned n, enum metric_id id, size_t at)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < n; i++)
        total += atomic_load_explicit(sets[i]->start[id] + at, memory_order_relaxed);
    return total;
}

uint64_t
metrics_total(struct metrics *const *sets, unsigned n, enum metric_id id, unsigned cell)
{
    assert(metric_infos[id].type == METRIC_COUNTER && cell < n_combinations[metric_infos[id].labels]);
    return sum(sets, n, id, cell);
}

void
metrics_print_label(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\')
            buf_putc(out, '\\');
        if (value.p[i] == '\n')
            buf_add(out, STR("\\n"));
        else
            buf_putc(out, value.p[i]);
    }
    buf_putc(out, '"');
}

/* Labels of a combination, e.g. `cluster="eu",kind="read"`. */
static void
put_labels(struct buf *out, enum metric_labels kind, unsigned cell, const struct metrics_labels *names)
{
    static const char *const classes[] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };
    unsigned class = 0, op = 0;
    char country[3];

    if (kind == LABELS_FAIL) {
        metrics_print_label(out, "code", str_from(fail_info((enum fail)cell)->code));
        return;
    }
    if (kind == LABELS_SOURCE) {
        metrics_print_label(out, "source", str_from(names->sources[cell]));
        return;
    }
    if (kind == LABELS_KEY) {
        metrics_print_label(out, "key", str_from(names->keys[cell]));
        return;
    }
    if (kind == LABELS_TLS_REASON) {
        metrics_print_label(out, "reason", str_from(tls_reason_label((enum tls_reason)cell)));
        return;
    }
    if (kind == LABELS_COUNTRY) {
        metrics_country_code(cell, country);
        metrics_print_label(out, "country", cell ? str_from(country) : STR("none"));
        return;
    }
    if (kind == LABELS_ONE)
        return;
    if (kind == LABELS_CLUSTER_KIND_CLASS) {
        class = cell % METRICS_CLASSES;
        cell /= METRICS_CLASSES;
    }
    if (kind != LABELS_CLUSTER) {
        op = cell % METRICS_KINDS;
        cell /= METRICS_KINDS;
    }
    metrics_print_label(out, "cluster", str_from(names->clusters[cell]));
    if (kind != LABELS_CLUSTER) {
        buf_putc(out, ',');
        metrics_print_label(out, "kind", str_from(names->kinds[op]));
    }
    if (kind == LABELS_CLUSTER_KIND_CLASS) {
        buf_putc(out, ',');
        metrics_print_label(out, "status", str_from(classes[class]));
    }
}

/* Of clusters that a reload took away no series remains: two of them could not be told apart. */
static bool
has_name(enum metric_labels labels, unsigned cell, const struct metrics_labels *names)
{
    switch (labels) {
    case LABELS_CLUSTER:
        return names->clusters[cell] != NULL;
    case LABELS_CLUSTER_KIND:
        return names->clusters[cell / METRICS_KINDS] != NULL;
    case LABELS_CLUSTER_KIND_CLASS:
        return names->clusters[cell / METRICS_KINDS / METRICS_CLASSES] != NULL;
    default:
        return true;
    }
}

static bool
is_shown(enum metric_id id, unsigned cell, uint64_t value, const struct metrics_labels *names)
{
    enum metric_labels labels = metric_infos[id].labels;
    bool may_be_zero = labels == LABELS_FAIL ? cell != FAIL_NONE
                                             : labels != LABELS_CLUSTER || cell != METRICS_NO_CLUSTER;

    switch (labels) {
    case LABELS_CLUSTER_KIND:
    case LABELS_CLUSTER_KIND_CLASS:
    case LABELS_COUNTRY:
        may_be_zero = false; /* most of them never happen */
        break;
    default:
        break;
    }
    return (value || may_be_zero) && has_name(labels, cell, names);
}

static void
print_counter(
    struct buf *out, enum metric_id id, struct metrics *const *sets, unsigned n, const struct metrics_labels *names)
{
    for (unsigned cell = 0; cell < n_combinations[metric_infos[id].labels]; cell++) {
        uint64_t value = sum(sets, n, id, cell);

        if (!is_shown(id, cell, value, names))
            continue;
        buf_add(out, str_from(metric_infos[id].name));
        if (metric_infos[id].labels != LABELS_ONE) {
            buf_putc(out, '{');
            put_labels(out, metric_infos[id].labels, cell, names);
            buf_putc(out, '}');
        }
        buf_printf(out, " %ld\n", (long)value);
    }
}

static void
print_sample(struct buf *out, const char *name, const char *suffix, struct str labels)
{
    buf_printf(out, "%s%s", name, suffix);
    if (labels.len)
        buf_printf(out, "{" STR_FMT "}", STR_ARG(labels));
}

static void
print_histogram_cell(
    struct buf *out, enum metric_id id, struct metrics *const *sets, unsigned n, unsigned cell, struct str labels)
{
    size_t at = (size_t)cell * HISTOGRAM_CELLS;
    uint64_t total = 0;
    const char *name = metric_infos[id].name;

    for (unsigned b = 0; b <= N_BOUNDS; b++) {
        total += sum(sets, n, id, at + b);
        buf_printf(out, "%s_bucket{" STR_FMT "%sle=\"", name, STR_ARG(labels), labels.len ? "," : "");
        if (b < N_BOUNDS)
            buf_printf(out, "%g", (double)bounds[b] / 1e6);
        else
            buf_add(out, STR("+Inf"));
        buf_printf(out, "\"} %lu\n", (unsigned long)total);
    }
    print_sample(out, name, "_sum", labels);
    buf_printf(out, " %.6f\n", (double)sum(sets, n, id, at + N_BOUNDS + 1) / 1e6);
    print_sample(out, name, "_count", labels);
    buf_printf(out, " %lu\n", (unsigned long)total);
}

static bool
is_empty(enum metric_id id, struct metrics *const *sets, unsigned n, unsigned cell)
{
    for (unsigned b = 0; b <= N_BOUNDS; b++) {
        if (sum(sets, n, id, (size_t)cell * HISTOGRAM_CELLS + b))
            return false;
    }
    return true;
}

void
metrics_print_head(enum metric_id id, struct buf *out)
{
    const struct metric_info *info = &metric_infos[id];

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name, metric_type_names[info->type]);
}

void
metrics_print_gauge(enum metric_id id, const char *labels, double value, struct buf *out)
{
    buf_add(out, str_from(metric_infos[id].name));
    if (*labels)
        buf_printf(out, "{%s}", labels);
    if (isinf(value))
        buf_add(out, value > 0 ? STR(" +Inf\n") : STR(" -Inf\n"));
    else
        buf_printf(out, " %.15g\n", value);
}

void
metrics_print(struct metrics *const *sets, unsigned n, const struct metrics_labels *labels, struct buf *out)
{
    struct buf text = { 0 };

    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        if (!has_cells(metric_infos[id].type))
            continue;
        metrics_print_head((enum metric_id)id, out);
        if (metric_infos[id].type != METRIC_HISTOGRAM) {
            print_counter(out, (enum metric_id)id, sets, n, labels);
            continue;
        }
        for (unsigned cell = 0; cell < n_combinations[metric_infos[id].labels]; cell++) {
            if (!has_name(metric_infos[id].labels, cell, labels) || is_empty((enum metric_id)id, sets, n, cell))
                continue;
            buf_clear(&text);
            put_labels(&text, metric_infos[id].labels, cell, labels);
            print_histogram_cell(out, (enum metric_id)id, sets, n, cell, buf_str(&text));
        }
    }
    buf_fini(&text);
}
