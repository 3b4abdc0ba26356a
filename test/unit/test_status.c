/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/route_fixture.h"

#include "proxy/admin/status.h"
#include "proxy/admin/traffic.h"
#include "proxy/base/clock.h"
#include "proxy/obs/events.h"
#include "proxy/route/operation.h"

/* Golden: test/golden/status.json. `test_status --update` writes it anew; read the difference then. */

#define GOLDEN "test/golden/status.json"
#define START_US (INT64_C(1767225600) * USEC_PER_SEC) /* 2026-01-01 */

static bool update;

static const char clusters[] =
    "SEXTANT_CLUSTERS=eu http://10.0.0.1:6333,http://10.0.0.2:6333 at=aws:eu-central-1; us http://10.1.0.1:6333 "
    "at=aws:us-east-1; ap http://qdrant.ap.example:6333 at=35.7,139.7 country=JP bias=-20";

static const char *env[] = {
    clusters,
    "SEXTANT_PARTITION_MAP=users europe=eu *=us; docs-*,a&b *=eu,us,ap copies=external write=nearest",
    "SEXTANT_REGION=aws:eu-central-1",
    "SEXTANT_UPSTREAM_IDLE=6s",
    NULL,
};

static unsigned
resolve_nothing(void *arg, struct str host, struct addr *ret_addrs, unsigned room)
{
    return 0;
}

static void
fall(struct backend *b)
{
    for (int i = 0; i < 10; i++)
        backend_report_failure(b, HEALTH_PROBE_FAIL, FAIL_CONNECT_REFUSED, 0, 40 * USEC_PER_SEC);
    assert_int_equal(backend_state(b), HEALTH_DOWN);
}

static void
count_traffic(struct metrics *m, struct residency *residency, const struct world *w)
{
    const struct rule *rule = &w->map->rules[0];
    struct residency_key key = residency_key(rule->text, rule->partitions[0].name, "DE", STR("eu"), "DE");
    struct residency_key gone = residency_key(STR("other *=eu"), STR("*"), "DE", STR("eu"), "DE");

    metrics_add(m, METRIC_CALLERS, metrics_country("DE"), 70);
    metrics_add(m, METRIC_CALLERS, metrics_country("JP"), 20);
    metrics_add(m, METRIC_CALLERS, metrics_country(""), 10);
    metrics_add(m, METRIC_PLACES, PLACE_DATABASE, 90);
    metrics_add(m, METRIC_PLACES, PLACE_NONE, 10);
    metrics_add(m, METRIC_EXCHANGES, 0, 100);
    metrics_add(m, METRIC_EXCHANGE_FAILURES, 0, 4);
    metrics_add(m, METRIC_REQUESTS, metrics_cluster_kind_class(0, 0, 200), 90);
    metrics_add(m, METRIC_REQUESTS, metrics_cluster_kind_class(0, 0, 503), 6);
    metrics_add(m, METRIC_REQUESTS, metrics_cluster_kind_class(METRICS_NO_CLUSTER, 0, 403), 4);
    residency_count(residency, &key, 1000, 5000);
    residency_count(residency, &gone, 1, 1);
    key = residency_key(rule->text, STR("every"), "DE", STR("eu"), "DE");
    residency_count(residency, &key, 10, 20);
}

static void
compare(const struct buf *got)
{
    static char expected[65536];
    FILE *file = fopen(GOLDEN, update ? "w+" : "r");
    size_t n;

    if (!file)
        fail_msg(GOLDEN " is missing");
    if (update) {
        assert_int_equal(fwrite(got->data + got->start, 1, buf_len(got), file), buf_len(got));
        rewind(file);
    }
    n = fread(expected, 1, sizeof(expected), file);
    fclose(file);
    if (!str_eq(str_make(expected, n), buf_str(got)))
        fail_msg("expected\n%.*sgot\n" STR_FMT, (int)n, expected, STR_ARG(buf_str(got)));
}

/* One member a line, so that differences can be read; the times of events are those of the clock. */
static void
lay_out(struct str json, struct buf *out)
{
    bool in_text = false;

    for (size_t i = 0; i < json.len; i++) {
        char c = json.p[i];

        in_text ^= c == '"' && (i == 0 || json.p[i - 1] != '\\');
        buf_putc(out, c);
        if (!in_text && c == ',')
            buf_putc(out, '\n');
    }
}

static void
mask_event_times(struct buf *json)
{
    struct str s = buf_str(json);
    char *at = memmem(s.p, s.len, "\"events\"", 8);

    for (char *p = at; (p = memmem(p, (size_t)(s.p + s.len - p), "\"time\":\"", 8)); p += 8)
        memset(p + 8, '0', sizeof("2026-01-01T00:00:00.000Z") - 1);
}

static void
check_json(struct str text)
{
    struct json_doc *doc = json_parse(text, NULL, NULL);
    struct str key;

    assert_non_null(doc);
    assert_false(json_has_duplicate_key(json_root(doc), &key));
    json_free(doc);
}

static void
test_status_is_as_in_the_golden_file(void **state)
{
    struct world *w = fixture_world(env);
    struct registry *registry = registry_new();
    struct fleet *f = fleet_build(registry, w, resolve_nothing, NULL);
    struct metrics *metrics = metrics_new();
    struct residency *residency = residency_new();
    const unsigned one = 1;
    struct edge_shared shared = { .connections = 3, .is_ready = true };
    uint64_t reloads_failed = 1;
    struct str error = STR("SEXTANT_CLUSTERS:1:1: error: \"<b>\"");
    struct hold drain = { HOLD_DRAIN, STR("us"), 0, STR("new <disks>"), STR("anna, 127.0.0.1"), STR("2026-01-01") };
    struct holds *none = holds_new(), *holds = holds_change(none, &drain);
    struct admin_view view = { .fleet = &f,
        .metrics = &metrics,
        .residency = &residency,
        .n_metrics = &one,
        .n_residency = &one,
        .n_workers = 1,
        .shared = &shared,
        .reloads_failed = &reloads_failed,
        .last_reload_error = &error,
        .started_wall_us = START_US,
        .holds = &holds,
        .rates = rates_new(TRAFFIC_COUNT) };
    struct status_moment at = { .wall_us = START_US + 60 * USEC_PER_SEC, .mono_us = 65 * USEC_PER_SEC, .n_events = 10 };
    struct buf raw = { 0 }, text = { 0 };

    events_add(EVENT_START, STR_NONE, "ready");
    events_add(EVENT_ENDPOINT_DOWN, STR("eu/2"), "down, as its probes fail: \"<script>alert(1)</script>\"");
    fall(f->clusters[0].backends[1].backend);
    fleet_set_holds(f, holds);
    traffic_sample(view.rates, &metrics, 1, 0);
    count_traffic(metrics, residency, w);
    traffic_sample(view.rates, &metrics, 1, 2 * USEC_PER_SEC);
    status_print(&view, &at, &raw);
    check_json(buf_str(&raw));
    mask_event_times(&raw);
    lay_out(buf_str(&raw), &text);
    compare(&text);
    buf_fini(&raw);
    buf_fini(&text);
    holds_free(none);
    holds_free(holds);
    rates_free(view.rates);
    residency_free(residency);
    metrics_free(metrics);
    fleet_unref(f);
    registry_free(registry);
    world_unref(w);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_is_as_in_the_golden_file),
    };

    update = argc > 1 && strcmp(argv[1], "--update") == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
