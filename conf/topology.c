/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/topology.h"

#include "conf/scan.h"
#include "conf/url.h"

struct parser {
    struct scan scan;
    struct arena *arena;
    struct topology *t;
};

int
topology_find(const struct topology *t, struct str name)
{
    for (unsigned i = 0; i < t->n_clusters; i++) {
        if (str_eq(t->clusters[i].name, name))
            return (int)i;
    }
    return -1;
}

static bool
is_cluster_name(struct str s)
{
    if (s.len == 0 || s.len > 63)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (i && (c == '-' || c == '_'))))
            return false;
    }
    return true;
}

/* Is this endpoint another one's twin? Two would share one verdict and one pool. */
static bool
is_taken(const struct topology *t, const struct cluster_conf *current, struct str url)
{
    for (unsigned i = 0; i <= t->n_clusters; i++) {
        const struct cluster_conf *c = i < t->n_clusters ? &t->clusters[i] : current;

        for (unsigned j = 0; j < c->n_endpoints; j++) {
            if (str_eq(c->endpoints[j].url.text, url))
                return true;
        }
    }
    return false;
}

static void
parse_urls(struct parser *p, struct cluster_conf *c, struct word urls)
{
    struct word item;

    c->endpoints = ARENA_ARRAY(p->arena, ENDPOINTS_MAX, struct endpoint_conf);
    while (word_item(&urls, &item)) {
        struct endpoint_conf *e = &c->endpoints[c->n_endpoints];
        const char *error;

        if (c->n_endpoints == ENDPOINTS_MAX) {
            scan_error(&p->scan, item, "a cluster may have %d endpoints at most", ENDPOINTS_MAX);
            return;
        }
        error = url_parse(item.text, p->arena, &e->url);
        if (error) {
            scan_error(&p->scan, item, "%s, not \"" STR_FMT "\"", error, STR_ARG(item.text));
            continue;
        }
        if (is_taken(p->t, c, e->url.text)) {
            scan_error(&p->scan, item, "endpoint " STR_FMT " is listed twice", STR_ARG(item.text));
            continue;
        }
        e->number = ++c->n_endpoints;
        e->weight = 1;
    }
}

static void
parse_at(struct parser *p, struct cluster_conf *c, struct word value)
{
    struct str near;

    if (place_parse(value.text, &c->at) && c->at.has_point) {
        if (!c->country[0])
            memcpy(c->country, c->at.country, sizeof(c->country));
        return;
    }
    near = cloud_region_nearest(value.text);
    scan_error(&p->scan, value,
        "\"" STR_FMT "\" is not a place: expected a cloud region, a country or lat,lon%s" STR_FMT "%s",
        STR_ARG(value.text), near.len ? "; did you mean " : "", STR_ARG(near), near.len ? "?" : "");
}

static void
parse_country(struct parser *p, struct cluster_conf *c, struct word value)
{
    if (value.text.len == 2 && country_is_known(value.text.p)) {
        memcpy(c->country, value.text.p, 2);
        c->country[2] = '\0';
        return;
    }
    scan_error(&p->scan, value, "\"" STR_FMT "\" is not a country: expected two upper-case letters such as DE",
        STR_ARG(value.text));
}

static void
parse_bias(struct parser *p, struct cluster_conf *c, struct word value)
{
    if (!str_to_double(value.text, &c->bias) || c->bias < -99 || c->bias > 99)
        scan_error(&p->scan, value, "bias is a percentage from -99 to 99, not \"" STR_FMT "\"", STR_ARG(value.text));
}

static void
parse_weight(struct parser *p, struct cluster_conf *c, struct word value)
{
    struct word item;
    unsigned n = 0;

    while (word_item(&value, &item)) {
        double weight;

        if (!str_to_double(item.text, &weight) || weight <= 0 || weight > 1000) {
            scan_error(
                &p->scan, item, "a weight is a number above 0 up to 1000, not \"" STR_FMT "\"", STR_ARG(item.text));
            return;
        }
        if (n < c->n_endpoints)
            c->endpoints[n].weight = weight;
        n++;
    }
    if (n != 1 && n != c->n_endpoints)
        scan_error(&p->scan, value, "%u weights for %u endpoints: give one, or one each", n, c->n_endpoints);
    for (unsigned i = 1; n == 1 && i < c->n_endpoints; i++)
        c->endpoints[i].weight = c->endpoints[0].weight;
}

static void
parse_option(struct parser *p, struct cluster_conf *c, struct word w)
{
    static const struct {
        struct str key;
        void (*parse)(struct parser *p, struct cluster_conf *c, struct word value);
    } keys[] = { { { "at", 2 }, parse_at }, { { "country", 7 }, parse_country }, { { "bias", 4 }, parse_bias },
        { { "weight", 6 }, parse_weight } };
    struct str key, value;

    if (str_cut(w.text, '=', &key, &value)) {
        for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            if (str_eq(key, keys[i].key)) {
                keys[i].parse(p, c, word_from(w, key.len + 1));
                return;
            }
        }
    }
    scan_error(
        &p->scan, w, "\"" STR_FMT "\" is not understood: expected at=, country=, bias= or weight=", STR_ARG(w.text));
}

static void
parse_cluster(struct parser *p, const struct word *words, unsigned n)
{
    struct topology *t = p->t;
    struct cluster_conf *c = &t->clusters[t->n_clusters];

    *c = (struct cluster_conf){
        .name = words[0].text, .index = t->n_clusters, .line = words[0].line, .column = words[0].column
    };
    if (!is_cluster_name(c->name))
        scan_error(&p->scan, words[0],
            "\"" STR_FMT "\" is not a cluster name: lower-case letters, digits, - and _, 63 at most", STR_ARG(c->name));
    if (topology_find(t, c->name) >= 0)
        scan_error(&p->scan, words[0], "cluster " STR_FMT " is defined twice", STR_ARG(c->name));
    if (n < 2) {
        scan_error(&p->scan, words[0], "expected: name url[,url...] at=PLACE");
        return;
    }
    parse_urls(p, c, words[1]);
    for (unsigned i = 2; i < n; i++)
        parse_option(p, c, words[i]);
    for (unsigned i = 2; i < n; i++) {
        if (str_starts(words[i].text, STR("at="))) {
            t->n_clusters++;
            return;
        }
    }
    scan_error(&p->scan, words[0],
        "cluster " STR_FMT " has no at=PLACE (a cloud region such as aws:eu-central-1, a country or lat,lon)",
        STR_ARG(c->name));
    t->n_clusters++;
}

static void
parse_local(const struct conf *conf, struct topology *t, struct arena *arena, struct conf_issues *issues)
{
    struct str names[CLUSTERS_MAX], hint;

    t->local_cluster = -1;
    if (conf->local_cluster.len == 0)
        return;
    t->local_cluster = topology_find(t, conf->local_cluster);
    if (t->local_cluster >= 0)
        return;
    for (unsigned i = 0; i < t->n_clusters; i++)
        names[i] = t->clusters[i].name;
    hint = scan_suggest(arena, conf->local_cluster, names, t->n_clusters);
    conf_issue(issues, true, conf_source(conf, "local_cluster"), 1, 1, "no cluster is called " STR_FMT STR_FMT,
        STR_ARG(conf->local_cluster), STR_ARG(hint));
}

static void
parse_region(const struct conf *conf, struct topology *t, struct conf_issues *issues)
{
    struct str near;

    if (conf->region.len == 0) {
        t->has_region = t->local_cluster >= 0;
        if (t->has_region)
            t->region = t->clusters[t->local_cluster].at;
        return;
    }
    t->has_region = place_parse(conf->region, &t->region) && t->region.has_point;
    if (t->has_region)
        return;
    near = cloud_region_nearest(conf->region);
    conf_issue(issues, true, conf_source(conf, "region"), 1, 1,
        "\"" STR_FMT "\" is not a place: expected a cloud region, a country or lat,lon%s" STR_FMT "%s",
        STR_ARG(conf->region), near.len ? "; did you mean " : "", STR_ARG(near), near.len ? "?" : "");
}

struct topology *
topology_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct topology *t = ARENA_NEW(arena, struct topology);
    struct parser p = {
        .scan = scan_begin(conf_source(conf, "clusters"), conf->clusters, issues), .arena = arena, .t = t
    };
    struct word *words;
    unsigned n;

    t->clusters = ARENA_ARRAY(arena, CLUSTERS_MAX, struct cluster_conf);
    while (scan_entry(&p.scan, arena, &words, &n)) {
        if (t->n_clusters == CLUSTERS_MAX - 1) {
            scan_error(&p.scan, words[0], "there may be %d clusters at most", CLUSTERS_MAX - 1);
            break;
        }
        parse_cluster(&p, words, n);
    }
    if (t->n_clusters == 0 && issues->n_errors == 0)
        conf_issue(issues, true, STR("SEXTANT_CLUSTERS"), 0, 0,
            "no cluster is defined; for example: SEXTANT_CLUSTERS='eu http://qdrant:6333 at=aws:eu-central-1'");
    parse_local(conf, t, arena, issues);
    parse_region(conf, t, issues);
    return t;
}
