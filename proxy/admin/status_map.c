/* SPDX-License-Identifier: Apache-2.0
 *
 * Who calls, and by which lines of the map they are served.
 */
#include <stdlib.h>

#include "proxy/admin/status.h"
#include "proxy/admin/traffic.h"
#include "proxy/base/mem.h"

/* --- callers ----------------------------------------------------------------------------------------------------- */

struct caller_row {
    unsigned country; /* metrics_country() */
    uint64_t total;
};

static int
by_total(const void *a, const void *b)
{
    const struct caller_row *x = a, *y = b;

    return x->total != y->total ? (x->total < y->total ? 1 : -1)
                                : (x->country > y->country) - (x->country < y->country);
}

static void
put_caller(const struct admin_view *view, struct json_writer *w, const struct caller_row *row)
{
    char code[3];
    struct place at;

    metrics_country_code(row->country, code);
    json_begin_object(w);
    json_member_str(w, "country", str_from(code));
    if (country_point(code, &at)) {
        json_member_double(w, "lat", (double)at.lat, 2);
        json_member_double(w, "lon", (double)at.lon, 2);
    }
    json_member_double(
        w, "requests_per_s", view->rates ? rates_per_s(view->rates, TRAFFIC_CALLERS + row->country, 10) : 0, 2);
    json_member_double(
        w, "requests_per_s_1m", view->rates ? rates_per_s(view->rates, TRAFFIC_CALLERS + row->country, 60) : 0, 2);
    json_member_u64(w, "requests_total", row->total);
    json_end_object(w);
}

void
status_put_callers(const struct admin_view *view, struct json_writer *w)
{
    struct caller_row *rows = mem_array(METRICS_COUNTRIES, sizeof(*rows));
    unsigned n = 0;

    for (unsigned i = 0; i < METRICS_COUNTRIES; i++) {
        uint64_t total = metrics_total(view->metrics, *view->n_metrics, METRIC_CALLERS, i);

        if (total)
            rows[n++] = (struct caller_row){ i, total };
    }
    if (n)
        qsort(rows, n, sizeof(*rows), by_total);
    json_key(w, "callers");
    json_begin_array(w);
    for (unsigned i = 0; i < n; i++)
        put_caller(view, w, &rows[i]);
    json_end_array(w);
    mem_free(rows);
    json_key(w, "places");
    json_begin_object(w);
    for (unsigned i = 0; i < METRICS_SOURCES; i++)
        json_member_u64(w, place_source_name((enum place_source)i),
            metrics_total(view->metrics, *view->n_metrics, METRIC_PLACES, i));
    json_end_object(w);
}

/* --- the partition map ------------------------------------------------------------------------------------------- */

struct counted {
    uint64_t requests, to_cluster, to_caller;
};

struct tally {
    const struct partition_map *map;
    unsigned *first;        /* a rule's first partition among the counts */
    struct counted *counts; /* of each partition; one more a rule for what reached every partition */
};

/* Rows hold texts that may have been cut: so are those they are compared with. */
static bool
is_text(const char *cut, struct str whole)
{
    size_t len = whole.len < RESIDENCY_TEXT - 1 ? whole.len : (size_t)RESIDENCY_TEXT - 1;

    return str_eq(str_from(cut), str_make(whole.p, len));
}

static void
count_row(void *arg, const struct residency_key *key, uint64_t requests, uint64_t in, uint64_t out)
{
    const struct tally *t = arg;
    unsigned i = 0, k = 0;
    const struct rule *rule;
    struct counted *c;

    while (i < t->map->n_rules && !is_text(key->rule, t->map->rules[i].text))
        i++;
    if (i == t->map->n_rules)
        return; /* of a map that was replaced */
    rule = &t->map->rules[i];
    while (k < rule->n_partitions && !is_text(key->partition, rule->partitions[k].name))
        k++;
    c = &t->counts[t->first[i] + k];
    c->requests += requests;
    c->to_cluster += in;
    c->to_caller += out;
}

static void
put_counted(struct json_writer *w, const struct counted *c)
{
    json_member_u64(w, "requests_total", c->requests);
    json_member_u64(w, "bytes_to_cluster", c->to_cluster);
    json_member_u64(w, "bytes_to_caller", c->to_caller);
}

static void
put_partition(const struct topology *t, struct json_writer *w, const struct partition *p, const struct counted *c)
{
    json_begin_object(w);
    json_member_str(w, "name", p->name);
    json_key(w, "areas");
    json_begin_array(w);
    for (unsigned i = 0; i < p->n_areas; i++)
        json_put_str(w, p->areas[i].text);
    json_end_array(w);
    json_key(w, "clusters");
    json_begin_array(w);
    for (unsigned i = 0; i < p->n_clusters; i++)
        json_put_str(w, t->clusters[p->clusters[i]].name);
    json_end_array(w);
    put_counted(w, c);
    json_end_object(w);
}

static void
put_rule(const struct topology *t, struct json_writer *w, const struct rule *r, const struct counted *counts)
{
    json_begin_object(w);
    json_member_u64(w, "line", r->line);
    json_member_str(w, "text", r->text);
    json_key(w, "patterns");
    json_begin_array(w);
    for (unsigned i = 0; i < r->n_patterns; i++)
        json_put_str(w, r->patterns[i]);
    json_end_array(w);
    json_member_bool(w, "strict", r->strict);
    json_member_str(w, "copies", r->copies == COPIES_EXTERNAL ? STR("external") : STR("none"));
    json_member_str(w, "fanout", str_from(fanout_name(r->fanout)));
    json_member_str(w, "read", r->read == READ_HOME ? STR("home") : STR("nearest"));
    json_member_str(w, "write", r->write == WRITE_HOME ? STR("home") : STR("nearest"));
    json_member_str(w, "all_down", r->all_down == ALL_DOWN_TRY ? STR("try") : STR("refuse"));
    json_key(w, "partitions");
    json_begin_array(w);
    for (unsigned i = 0; i < r->n_partitions; i++)
        put_partition(t, w, &r->partitions[i], &counts[i]);
    json_end_array(w);
    json_key(w, "every_partition");
    json_begin_object(w);
    put_counted(w, &counts[r->n_partitions]);
    json_end_object(w);
    json_end_object(w);
}

void
status_put_map(const struct admin_view *view, struct json_writer *w)
{
    const struct world *world = (*view->fleet)->world;
    const struct partition_map *map = world->map;
    struct tally t = { .map = map, .first = mem_array(map->n_rules, sizeof(*t.first)) };
    unsigned n = 0;

    for (unsigned i = 0; i < map->n_rules; i++) {
        t.first[i] = n;
        n += map->rules[i].n_partitions + 1;
    }
    t.counts = mem_array(n, sizeof(*t.counts));
    residency_each(view->residency, *view->n_residency, count_row, &t);
    json_key(w, "map");
    json_begin_object(w);
    json_member_bool(w, "implied", map->is_implied);
    json_key(w, "rules");
    json_begin_array(w);
    for (unsigned i = 0; i < map->n_rules; i++)
        put_rule(world->topology, w, &map->rules[i], &t.counts[t.first[i]]);
    json_end_array(w);
    json_end_object(w);
    mem_free(t.first);
    mem_free(t.counts);
}
