/* SPDX-License-Identifier: Apache-2.0
 *
 * A set is one array of cells; each metric owns a range whose length follows from its labels. There is one writer a set, so
 * a relaxed load and store is enough to count: no locked instruction on the request path.
 */
#include "proxy/obs/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

#include "proxy/base/fail.h"
#include "proxy/base/mem.h"

enum labels { L_ONE, L_CLUSTER, L_CLUSTER_KIND, L_CLUSTER_KIND_CLASS, L_FAIL, L_SOURCE, L_COUNTRY };
enum type { T_COUNTER, T_HISTOGRAM, T_GAUGE };

/* Upper bounds in microseconds. */
static const int64_t bounds[] = { 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,
    2500000, 5000000, 10000000, 30000000, 60000000 };
enum { N_BOUNDS = sizeof(bounds) / sizeof(bounds[0]), HISTOGRAM_CELLS = N_BOUNDS + 2 }; /* and +Inf, sum */

static const struct info {
    enum type type;
    enum labels labels;
    const char *name, *help;
} infos[METRIC_COUNT] = {
#define COUNTER(id, labels, name, help) [METRIC_##id] = { T_COUNTER, L_##labels, name, help },
#define HISTOGRAM(id, labels, name, help) [METRIC_##id] = { T_HISTOGRAM, L_##labels, name, help },
#define GAUGE(id, name, help) [METRIC_##id] = { T_GAUGE, L_ONE, name, help },
#include "proxy/obs/metrics.def"
#undef COUNTER
#undef HISTOGRAM
#undef GAUGE
};

struct metrics {
    atomic_ulong *start[METRIC_COUNT];
    atomic_ulong cells[];
};

static unsigned
n_combinations(enum labels labels)
{
    switch (labels) {
    case L_CLUSTER:
        return METRICS_CLUSTERS;
    case L_CLUSTER_KIND:
        return METRICS_CLUSTERS * METRICS_KINDS;
    case L_CLUSTER_KIND_CLASS:
        return METRICS_CLUSTERS * METRICS_KINDS * METRICS_CLASSES;
    case L_FAIL:
        return FAIL_COUNT;
    case L_SOURCE:
        return METRICS_SOURCES;
    case L_COUNTRY:
        return METRICS_COUNTRIES;
    default:
        return 1;
    }
}

static unsigned
n_cells(const struct info *info)
{
    if (info->type == T_GAUGE)
        return 0;
    return n_combinations(info->labels) * (info->type == T_HISTOGRAM ? (unsigned)HISTOGRAM_CELLS : 1);
}

struct metrics *
metrics_new(void)
{
    struct metrics *m;
    size_t total = 0, at = 0;

    for (unsigned i = 0; i < METRIC_COUNT; i++)
        total += n_cells(&infos[i]);
    m = mem_alloc(sizeof(*m) + total * sizeof(m->cells[0]));
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        m->start[i] = m->cells + at;
        at += n_cells(&infos[i]);
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
    assert(infos[id].type == T_COUNTER && cell < n_combinations(infos[id].labels));
    count(m->start[id] + cell, n);
}

void
metrics_observe_us(struct metrics *m, enum metric_id id, unsigned cell, int64_t us)
{
    atomic_ulong *start = m->start[id] + (size_t)cell * HISTOGRAM_CELLS;
    unsigned b = 0;

    assert(infos[id].type == T_HISTOGRAM && cell < n_combinations(infos[id].labels));
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
    assert(infos[id].type == T_COUNTER && cell < n_combinations(infos[id].labels));
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
put_labels(struct buf *out, enum labels kind, unsigned cell, const struct metrics_labels *names)
{
    static const char *const classes[] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };
    unsigned class = 0, op = 0;
    char country[3];

    if (kind == L_FAIL) {
        metrics_print_label(out, "code", str_from(fail_info((enum fail)cell)->code));
        return;
    }
    if (kind == L_SOURCE) {
        metrics_print_label(out, "source", str_from(names->sources[cell]));
        return;
    }
    if (kind == L_COUNTRY) {
        metrics_country_code(cell, country);
        metrics_print_label(out, "country", cell ? str_from(country) : STR("none"));
        return;
    }
    if (kind == L_ONE)
        return;
    if (kind == L_CLUSTER_KIND_CLASS) {
        class = cell % METRICS_CLASSES;
        cell /= METRICS_CLASSES;
    }
    if (kind != L_CLUSTER) {
        op = cell % METRICS_KINDS;
        cell /= METRICS_KINDS;
    }
    metrics_print_label(out, "cluster", names->clusters[cell] ? str_from(names->clusters[cell]) : STR("gone"));
    if (kind != L_CLUSTER) {
        buf_putc(out, ',');
        metrics_print_label(out, "kind", str_from(names->kinds[op]));
    }
    if (kind == L_CLUSTER_KIND_CLASS) {
        buf_putc(out, ',');
        metrics_print_label(out, "status", str_from(classes[class]));
    }
}

static void
print_counter(
    struct buf *out, enum metric_id id, struct metrics *const *sets, unsigned n, const struct metrics_labels *names)
{
    for (unsigned cell = 0; cell < n_combinations(infos[id].labels); cell++) {
        uint64_t value = sum(sets, n, id, cell);

        if (value == 0 && infos[id].labels != L_ONE)
            continue;
        buf_add(out, str_from(infos[id].name));
        if (infos[id].labels != L_ONE) {
            buf_putc(out, '{');
            put_labels(out, infos[id].labels, cell, names);
            buf_putc(out, '}');
        }
        buf_printf(out, " %lu\n", (unsigned long)value);
    }
}

static void
print_histogram_cell(
    struct buf *out, enum metric_id id, struct metrics *const *sets, unsigned n, unsigned cell, struct str labels)
{
    size_t at = (size_t)cell * HISTOGRAM_CELLS;
    uint64_t total = 0;
    const char *name = infos[id].name;

    for (unsigned b = 0; b <= N_BOUNDS; b++) {
        total += sum(sets, n, id, at + b);
        buf_printf(out, "%s_bucket{" STR_FMT ",le=\"", name, STR_ARG(labels));
        if (b < N_BOUNDS)
            buf_printf(out, "%g", (double)bounds[b] / 1e6);
        else
            buf_add(out, STR("+Inf"));
        buf_printf(out, "\"} %lu\n", (unsigned long)total);
    }
    buf_printf(
        out, "%s_sum{" STR_FMT "} %.6f\n", name, STR_ARG(labels), (double)sum(sets, n, id, at + N_BOUNDS + 1) / 1e6);
    buf_printf(out, "%s_count{" STR_FMT "} %lu\n", name, STR_ARG(labels), (unsigned long)total);
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
    static const char *const types[] = { "counter", "histogram", "gauge" };
    struct str name = str_from(infos[id].name);
    const char *type = infos[id].type == T_GAUGE && str_ends(name, STR("_total")) ? "counter" : types[infos[id].type];

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name.p, infos[id].help, name.p, type);
}

void
metrics_print_gauge(enum metric_id id, const char *labels, double value, struct buf *out)
{
    buf_add(out, str_from(infos[id].name));
    if (*labels)
        buf_printf(out, "{%s}", labels);
    buf_printf(out, " %.15g\n", value);
}

void
metrics_print(struct metrics *const *sets, unsigned n, const struct metrics_labels *labels, struct buf *out)
{
    struct buf text = { 0 };

    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        if (infos[id].type == T_GAUGE)
            continue;
        metrics_print_head((enum metric_id)id, out);
        if (infos[id].type == T_COUNTER) {
            print_counter(out, (enum metric_id)id, sets, n, labels);
            continue;
        }
        for (unsigned cell = 0; cell < n_combinations(infos[id].labels); cell++) {
            if (is_empty((enum metric_id)id, sets, n, cell))
                continue;
            buf_clear(&text);
            put_labels(&text, infos[id].labels, cell, labels);
            print_histogram_cell(out, (enum metric_id)id, sets, n, cell, buf_str(&text));
        }
    }
    buf_fini(&text);
}
