/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/base/fail.h"
#include "proxy/obs/metrics.h"
#include "proxy/obs/process.h"

static struct metrics_labels labels = {
    .clusters = { [0] = "eu", [2] = "a\"b\\c\nd", [METRICS_NO_CLUSTER] = "none" },
    .kinds = { "read", "write", "schema", "cluster", "snapshot", "service" },
    .sources = { "none", "hint", "override", "database", "default" },
};

static bool
has(const struct buf *page, const char *line)
{
    return memmem(buf_str(page).p, buf_len(page), line, strlen(line)) != NULL;
}

static void
test_sets_are_added_up(void **state)
{
    struct metrics *sets[] = { metrics_new(), metrics_new() };
    struct buf page = { 0 };

    metrics_add(sets[0], METRIC_EXCHANGES, 0, 3);
    metrics_add(sets[1], METRIC_EXCHANGES, 0, 4);
    metrics_add(sets[1], METRIC_REQUESTS, metrics_cluster_kind_class(METRICS_NO_CLUSTER, 1, 404), 2);
    metrics_add(sets[0], METRIC_FAILURES, FAIL_BAD_HOST, 1);
    metrics_print(sets, 2, &labels, &page);
    assert_true(has(&page, "\nsextant_exchanges_total{cluster=\"eu\"} 7\n"));
    assert_true(has(&page, "\nsextant_requests_total{cluster=\"none\",kind=\"write\",status=\"4xx\"} 2\n"));
    assert_true(has(&page, "\nsextant_failures_total{code=\"BAD_HOST\"} 1\n"));
    assert_true(has(&page, "\nsextant_failures_total{code=\"INTERNAL\"} 0\n"));
    assert_false(has(&page, "sextant_failures_total{code=\"NONE\"}"));
    assert_true(has(&page, "\nsextant_retries_refused_total 0\n"));
    buf_fini(&page);
    metrics_free(sets[0]);
    metrics_free(sets[1]);
}

/* What one thread takes another may give back. */
static void
test_levels_go_up_and_down(void **state)
{
    struct metrics *sets[] = { metrics_new(), metrics_new() };
    struct buf page = { 0 };

    metrics_move(sets[0], METRIC_POOL_IDLE, 0, 3);
    metrics_move(sets[1], METRIC_POOL_IDLE, 0, -1);
    metrics_move(sets[0], METRIC_POOL_IDLE, METRICS_NO_CLUSTER, 1);
    metrics_move(sets[1], METRIC_POOL_IDLE, METRICS_NO_CLUSTER, -1);
    metrics_print(sets, 2, &labels, &page);
    assert_true(has(&page, "# TYPE sextant_cluster_connections_idle gauge\n"));
    assert_true(has(&page, "\nsextant_cluster_connections_idle{cluster=\"eu\"} 2\n"));
    assert_false(has(&page, "sextant_cluster_connections_idle{cluster=\"none\"}"));
    buf_fini(&page);
    metrics_free(sets[0]);
    metrics_free(sets[1]);
}

static void
test_histograms_are_cumulative(void **state)
{
    struct metrics *set = metrics_new();
    struct buf page = { 0 };

    metrics_observe_us(set, METRIC_LOOP_LAG, 0, 250);
    metrics_observe_us(set, METRIC_LOOP_LAG, 0, 251);
    metrics_observe_us(set, METRIC_LOOP_LAG, 0, 61 * 1000000);
    metrics_observe_us(set, METRIC_LOOP_LAG, 0, -5); /* a clock that went back */
    metrics_print(&set, 1, &labels, &page);
    assert_true(has(&page, "sextant_loop_lag_seconds_bucket{le=\"0.00025\"} 2\n"));
    assert_true(has(&page, "sextant_loop_lag_seconds_bucket{le=\"0.0005\"} 3\n"));
    assert_true(has(&page, "sextant_loop_lag_seconds_bucket{le=\"60\"} 3\n"));
    assert_true(has(&page, "sextant_loop_lag_seconds_bucket{le=\"+Inf\"} 4\n"));
    assert_true(has(&page, "sextant_loop_lag_seconds_sum 61.000501\n"));
    assert_true(has(&page, "sextant_loop_lag_seconds_count 4\n"));
    buf_fini(&page);
    metrics_free(set);
}

/* Two clusters that a reload took away must not become one series twice. */
static void
test_slots_without_a_name_are_left_out(void **state)
{
    struct metrics *set = metrics_new();
    struct buf page = { 0 };

    metrics_add(set, METRIC_EXCHANGES, 5, 1);
    metrics_add(set, METRIC_EXCHANGES, 6, 1);
    metrics_add(set, METRIC_REQUESTS, metrics_cluster_kind_class(5, 5, 200), 1);
    metrics_observe_us(set, METRIC_REQUEST_SECONDS, metrics_cluster_kind(6, 5), 1);
    metrics_move(set, METRIC_POOL_IDLE, 6, 1);
    metrics_add(set, METRIC_EXCHANGES, 2, 1);
    metrics_print(&set, 1, &labels, &page);
    assert_true(has(&page, "\nsextant_exchanges_total{cluster=\"eu\"} 0\n"));
    assert_true(has(&page, "\nsextant_exchanges_total{cluster=\"a\\\"b\\\\c\\nd\"} 1\n# HELP"));
    assert_false(has(&page, "kind=\"service\""));
    assert_true(has(&page, "sextant_cluster_connections_idle{cluster=\"eu\"} 0\n"));
    assert_false(has(&page, "sextant_cluster_connections_idle{cluster=\"eu\"} 1\n"));
    buf_fini(&page);
    metrics_free(set);
}

static void
test_the_process(void **state)
{
    struct process_stat stat;

    assert_true(process_stat_read(&stat));
    assert_true(stat.cpu_seconds >= 0 && stat.cpu_seconds < 1000);
    assert_true(stat.start_time_seconds > 1.5e9);
    assert_true(stat.resident_bytes > 100e3 && stat.virtual_bytes >= stat.resident_bytes);
    assert_true(stat.open_fds >= 1 && stat.max_fds >= stat.open_fds);
    assert_true(stat.threads == 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets_are_added_up),
        cmocka_unit_test(test_levels_go_up_and_down),
        cmocka_unit_test(test_histograms_are_cumulative),
        cmocka_unit_test(test_slots_without_a_name_are_left_out),
        cmocka_unit_test(test_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
