/* SPDX-License-Identifier: Apache-2.0
 *
 * Clusters: `name url[,url...] at=PLACE [country=CC] [bias=PERCENT] [weight=N[,N...]]`. An entry with mistakes still makes
 * a cluster of its name, so that a map which names it isn't blamed as well.
 */
#include "conf/topology.h"

#include "conf/cluster_options.h"
#include "conf/scan.h"
#include "conf/terms.h"
#include "conf/url.h"

struct parser {
    struct scan scan;
    struct arena *arena;
    struct topology *t;
};

/* What one entry's words said so far. */
struct entry {
    struct cluster_conf *c;
    unsigned n_urls; /* as written, also those that were refused */
    bool has_at, has_country;
    struct word country, seen[4]; /* by key */
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

struct str
topology_suggest(const struct topology *t, struct str wrong, struct arena *arena)
{
    struct str names[CLUSTERS_MAX];

    for (unsigned i = 0; i < t->n_clusters; i++)
        names[i] = t->clusters[i].name;
    return scan_suggest(arena, wrong, names, t->n_clusters);
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

/* --- endpoints --------------------------------------------------------------------------------------------------- */

/* Whose endpoint it is already, or NULL. Two of one server would share its verdict and count it twice. */
static const struct cluster_conf *
owner_of(const struct topology *t, const struct cluster_conf *current, const struct url *url)
{
    for (unsigned i = 0; i <= t->n_clusters; i++) {
        const struct cluster_conf *c = i < t->n_clusters ? &t->clusters[i] : current;

        for (unsigned j = 0; j < c->n_endpoints; j++) {
            if (url_same_server(&c->endpoints[j].url, url))
                return c;
        }
    }
    return NULL;
}

static void
add_url(struct parser *p, struct cluster_conf *c, struct word item)
{
    struct endpoint_conf *e = &c->endpoints[c->n_endpoints];
    const char *error = url_parse(item.text, p->arena, &e->url);
    const struct cluster_conf *owner;

    if (error) {
        scan_error(&p->scan, item, "\"" STR_FMT "\": %s", STR_ARG(item.text), error);
        return;
    }
    owner = owner_of(p->t, c, &e->url);
    if (owner) {
        scan_error(&p->scan, item, "endpoint " STR_FMT " is listed twice, first in cluster " STR_FMT,
            STR_ARG(item.text), STR_ARG(owner->name));
        return;
    }
    e->number = ++c->n_endpoints;
    e->weight = 1;
}

static void
parse_urls(struct parser *p, struct entry *e, struct word urls)
{
    struct word item;

    e->c->endpoints = ARENA_ARRAY(p->arena, ENDPOINTS_MAX, struct endpoint_conf);
    while (word_item(&urls, &item)) {
        if (e->n_urls++ < ENDPOINTS_MAX)
            add_url(p, e->c, item);
        else if (e->n_urls == ENDPOINTS_MAX + 1)
            scan_error(&p->scan, item, "a cluster may have %d endpoints at most", ENDPOINTS_MAX);
    }
}

/* --- options ----------------------------------------------------------------------------------------------------- */

static void
parse_at(struct parser *p, struct entry *e, struct word value)
{
    e->has_at = true;
    term_place(&p->scan, value, &e->c->at);
}

static void
parse_country(struct parser *p, struct entry *e, struct word value)
{
    struct str meant = term_meant(p->arena, value.text);

    if (is_country(value.text)) {
        memcpy(e->c->country, value.text.p, 2);
        e->has_country = true;
        e->country = value;
        return;
    }
    scan_error(&p->scan, value, "\"" STR_FMT "\" is not a country: expected two capitals such as DE%s" STR_FMT "%s",
        STR_ARG(value.text), is_country(meant) ? "; did you mean " : "", STR_ARG(is_country(meant) ? meant : STR("")),
        is_country(meant) ? "?" : "");
}

static void
parse_bias(struct parser *p, struct entry *e, struct word value)
{
    if (str_to_double(value.text, &e->c->bias) && e->c->bias >= -99 && e->c->bias <= 99)
        return;
    scan_error(&p->scan, value, "a bias is a percentage from -99 to 99, not \"" STR_FMT "\"", STR_ARG(value.text));
    e->c->bias = 0;
}

static void
parse_weight(struct parser *p, struct entry *e, struct word value)
{
    struct word rest = value, item;
    struct cluster_conf *c = e->c;
    unsigned n = 0;

    while (word_item(&rest, &item)) {
        double weight;

        if (!str_to_double(item.text, &weight) || weight < 0.001 || weight > 1000) {
            scan_error(
                &p->scan, item, "a weight is a number from 0.001 to 1000, not \"" STR_FMT "\"", STR_ARG(item.text));
            return;
        }
        if (n < c->n_endpoints)
            c->endpoints[n].weight = weight;
        n++;
    }
    if (n != 1 && n != e->n_urls)
        scan_error(&p->scan, value, "%u weights for %u endpoints: give one, or one each", n, e->n_urls);
    for (unsigned i = 1; n == 1 && i < c->n_endpoints; i++)
        c->endpoints[i].weight = c->endpoints[0].weight;
}

static const struct key {
    struct str name;
    void (*parse)(struct parser *p, struct entry *e, struct word value);
} keys[] = { { { "at", 2 }, parse_at }, { { "country", 7 }, parse_country }, { { "bias", 4 }, parse_bias },
    { { "weight", 6 }, parse_weight } };
enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };

static void
tell_unknown_word(struct parser *p, struct word w, struct str key)
{
    struct str names[N_KEYS], hint;

    for (unsigned i = 0; i < N_KEYS; i++)
        names[i] = keys[i].name;
    hint = scan_suggest(p->arena, key, names, N_KEYS);
    if (str_starts(w.text, STR("http")))
        hint = STR("; URLs are separated by commas without blanks");
    scan_error(&p->scan, w, "\"" STR_FMT "\" is not understood: expected at=, country=, bias= or weight=" STR_FMT,
        STR_ARG(w.text), STR_ARG(hint));
}

static void
parse_option(struct parser *p, struct entry *e, struct word w)
{
    struct str key, value;
    bool has_value = str_cut(w.text, '=', &key, &value);

    for (unsigned i = 0; i < N_KEYS; i++) {
        if (!has_value || !str_eq(key, keys[i].name))
            continue;
        if (e->seen[i].text.p)
            scan_error(&p->scan, w, STR_FMT "= is given twice", STR_ARG(key));
        else
            keys[i].parse(p, e, word_from(w, key.len + 1));
        e->seen[i] = w;
        return;
    }
    tell_unknown_word(p, w, key);
}

/* Between an entry's words: a place that says its country must not be contradicted, as residency relies on it. */
static void
check_entry(struct parser *p, struct entry *e, struct word name)
{
    struct cluster_conf *c = e->c;

    if (!e->has_at)
        scan_error(&p->scan, name,
            "cluster " STR_FMT " has no at=PLACE: a cloud region such as aws:eu-central-1, a country or lat,lon",
            STR_ARG(c->name));
    if (!e->has_country)
        memcpy(c->country, c->at.country, sizeof(c->country));
    else if (c->at.country[0] && memcmp(c->country, c->at.country, 2) != 0)
        scan_error(&p->scan, e->country, "country=" STR_FMT " contradicts at=, which is in %s",
            STR_ARG(e->country.text), c->at.country);
}

static void
parse_cluster(struct parser *p, const struct word *words, unsigned n)
{
    struct topology *t = p->t;
    struct cluster_conf *c = &t->clusters[t->n_clusters];
    struct entry e = { .c = c };
    bool has_url = n > 1 && (str_find(words[1].text, '=') < 0 || str_find(words[1].text, ':') >= 0) &&
                   !str_starts(words[1].text, STR("at="));

    *c = (struct cluster_conf){
        .name = words[0].text, .index = t->n_clusters, .line = words[0].line, .column = words[0].column
    };
    if (!is_cluster_name(c->name))
        scan_error(&p->scan, words[0],
            "\"" STR_FMT "\" is not a cluster name: up to 63 of a-z, 0-9, - and _, beginning with a letter or digit",
            STR_ARG(c->name));
    else if (topology_find(t, c->name) >= 0)
        scan_error(&p->scan, words[0], "cluster " STR_FMT " is defined twice, first in line %u", STR_ARG(c->name),
            t->clusters[topology_find(t, c->name)].line);
    if (has_url)
        parse_urls(p, &e, words[1]);
    else
        scan_error(&p->scan, words[0], "cluster " STR_FMT " has no URL: expected name url[,url...] at=PLACE",
            STR_ARG(c->name));
    for (unsigned i = has_url ? 2 : 1; i < n; i++)
        parse_option(p, &e, words[i]);
    check_entry(p, &e, words[0]);
    t->n_clusters++;
}

/* --- the edge ---------------------------------------------------------------------------------------------------- */

static void
parse_local(const struct conf *conf, struct topology *t, struct arena *arena, struct conf_issues *issues)
{
    t->local_cluster = -1;
    if (conf->local_cluster.len == 0 || t->n_clusters == 0)
        return;
    t->local_cluster = topology_find(t, conf->local_cluster);
    if (t->local_cluster < 0)
        conf_option_issue(issues, true, conf, "local_cluster", "no cluster is called " STR_FMT STR_FMT,
            STR_ARG(conf->local_cluster), STR_ARG(topology_suggest(t, conf->local_cluster, arena)));
}

static void
parse_region(const struct conf *conf, struct topology *t, struct conf_issues *issues)
{
    struct scan scan = scan_option(conf, "region", conf->region, issues);
    struct word w = { conf->region, scan.line, scan.column };

    if (conf->region.len) {
        t->has_region = term_place(&scan, w, &t->region);
    } else if (t->local_cluster >= 0) {
        t->region = t->clusters[t->local_cluster].at;
        t->has_region = t->region.has_point;
    }
}

struct topology *
topology_parse(const struct conf *conf, struct arena *arena, struct conf_issues *issues)
{
    struct topology *t = ARENA_NEW(arena, struct topology);
    struct parser p = { .arena = arena, .t = t };
    struct word *words;
    unsigned n;

    p.scan = scan_option(conf, "clusters", conf->clusters, issues);
    p.scan.keeps_hash = true;
    t->clusters = ARENA_ARRAY(arena, CLUSTERS_MAX, struct cluster_conf);
    while (scan_entry(&p.scan, arena, &words, &n)) {
        if (t->n_clusters == CLUSTERS_MAX) {
            scan_error(&p.scan, words[0], "there may be %d clusters at most", CLUSTERS_MAX);
            break;
        }
        parse_cluster(&p, words, n);
    }
    if (t->n_clusters == 0 && !conf_origin(conf, "clusters")->is_bad)
        conf_option_issue(issues, true, conf, "clusters",
            "no cluster is defined; for example: SEXTANT_CLUSTERS='eu http://qdrant:6333 at=aws:eu-central-1'");
    cluster_options_parse(conf, t, arena, issues);
    parse_local(conf, t, arena, issues);
    parse_region(conf, t, issues);
    return t;
}
