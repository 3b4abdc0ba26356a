/* SPDX-License-Identifier: Apache-2.0
 *
 * The same text may be given to every edge: SEXTANT_EDGE_NAME says which line is its own. A target is called edge:NAME, which
 * no cluster can be.
 */
#include "conf/edges.h"

#include "conf/scan.h"
#include "conf/url.h"

enum { SECRET_MIN = 16 };

struct parser {
    const struct conf *conf;
    struct scan scan;
    struct arena *arena;
    struct topology *t;
    struct edges_conf *e;
    struct conf_issues *issues;
};

/* --- one line ---------------------------------------------------------------------------------------------------- */

static const struct cluster_conf *
same_server(const struct topology *t, const struct url *url)
{
    for (unsigned i = 0; i < t->n_clusters + t->n_edges; i++) {
        for (unsigned j = 0; j < t->clusters[i].n_endpoints; j++) {
            if (url_same_server(&t->clusters[i].endpoints[j].url, url))
                return &t->clusters[i];
        }
    }
    return NULL;
}

static void
own(struct parser *p, struct edge_conf *edge, struct word item)
{
    int index = topology_find(p->t, item.text);
    bool is_named = false;

    if (index < 0) {
        scan_error(&p->scan, item, "no cluster is called \"" STR_FMT "\"" STR_FMT, STR_ARG(item.text),
            STR_ARG(topology_suggest(p->t, item.text, p->arena)));
        return;
    }
    is_named = edge->owns >> index & 1;
    for (unsigned i = 0; i < p->e->n; i++)
        is_named |= p->e->items[i].owns >> index & 1;
    is_named |= p->e->has_own && p->e->own_owns >> index & 1;
    if (is_named)
        scan_error(&p->scan, item, "cluster " STR_FMT " is owned twice: one edge journals for a home, and no other",
            STR_ARG(item.text));
    edge->owns |= UINT64_C(1) << index;
}

static void
read_owns(struct parser *p, struct edge_conf *edge, struct word w)
{
    struct word rest, item;

    if (!str_starts(w.text, STR("owns="))) {
        scan_error(
            &p->scan, w, "\"" STR_FMT "\" is not understood: expected owns=CLUSTER[,CLUSTER...]", STR_ARG(w.text));
        return;
    }
    rest = word_from(w, 5);
    while (word_item(&rest, &item))
        own(p, edge, item);
}

static bool
is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (i && (c == '-' || c == '_'))))
            return false;
    }
    return s.len > 0 && s.len <= 58; /* with edge: before it no longer than a cluster's */
}

static void
warn_of_plain(struct parser *p, struct word w, const struct url *url)
{
    if (!url->is_tls && !(url->is_literal && addr_is_loopback(&url->addr)))
        scan_warning(&p->scan, w,
            "the way to edge " STR_FMT
            " is not encrypted: whoever is on it can read the secret and the writes, and write with "
            "it; give it an https:// URL",
            STR_ARG(p->e->items[p->e->n].name));
}

static void
add_target(struct parser *p, struct edge_conf *edge, struct word w)
{
    struct topology *t = p->t;
    struct cluster_conf *c = &t->clusters[t->n_clusters + t->n_edges];
    struct endpoint_conf *endpoint = ARENA_NEW(p->arena, struct endpoint_conf);
    const char *error = url_parse(w.text, p->arena, &endpoint->url);
    const struct cluster_conf *other = error ? NULL : same_server(t, &endpoint->url);

    if (error)
        scan_error(&p->scan, w, "\"" STR_FMT "\": %s", STR_ARG(w.text), error);
    else if (other)
        scan_error(&p->scan, w, STR_FMT " is already an endpoint of " STR_FMT, STR_ARG(w.text), STR_ARG(other->name));
    else
        warn_of_plain(p, w, &endpoint->url);
    endpoint->number = 1;
    endpoint->weight = 1;
    edge->target = t->n_clusters + t->n_edges++;
    *c = (struct cluster_conf){
        .name = arena_printf(p->arena, "edge:" STR_FMT, STR_ARG(edge->name)),
        .index = edge->target,
        .endpoints = endpoint,
        .n_endpoints = error ? 0 : 1,
        .line = edge->line,
        .column = edge->column,
    };
}

static void
read_edge(struct parser *p, const struct word *words, unsigned n)
{
    struct edges_conf *e = p->e;
    struct edge_conf *edge = &e->items[e->n];
    bool is_own = p->conf->edge_name.len && str_eq(words[0].text, p->conf->edge_name);

    *edge = (struct edge_conf){ .name = words[0].text, .line = words[0].line, .column = words[0].column };
    if (!is_name(edge->name))
        scan_error(&p->scan, words[0], "\"" STR_FMT "\" is not a name of an edge: up to 58 of a-z, 0-9, - and _",
            STR_ARG(edge->name));
    for (unsigned i = 0; i < e->n; i++) {
        if (str_eq(e->items[i].name, edge->name))
            scan_error(&p->scan, words[0], "edge " STR_FMT " is defined twice", STR_ARG(edge->name));
    }
    if (n < 2) {
        scan_error(&p->scan, words[0], "edge " STR_FMT " has no URL: expected name url owns=CLUSTER[,CLUSTER...]",
            STR_ARG(edge->name));
        return;
    }
    if (!is_own)
        add_target(p, edge, words[1]);
    for (unsigned i = 2; i < n; i++)
        read_owns(p, edge, words[i]);
    if (is_own) {
        e->has_own = true;
        e->own_owns = edge->owns;
    } else {
        e->n++;
    }
}

/* --- the secret -------------------------------------------------------------------------------------------------- */

static void
read_secret(struct parser *p)
{
    struct str secret = p->conf->edge_secret;
    const struct conf_origin *at = conf_origin(p->conf, "edge_secret");
    bool is_visible = true;

    for (size_t i = 0; i < secret.len; i++)
        is_visible &= secret.p[i] > ' ' && secret.p[i] < 0x7f;
    if (at->is_given && !at->is_bad && (secret.len < SECRET_MIN || !is_visible))
        conf_option_issue(p->issues, true, p->conf, "edge_secret",
            "expected at least %d visible ASCII characters, such as of openssl rand -hex 32", SECRET_MIN);
    p->e->secret = secret;
    p->e->secret_digest = digest_sha256(secret);
    if (secret.len && (str_eq(secret, p->conf->api_key) || str_eq(secret, p->conf->alt_api_key) ||
                          str_eq(secret, p->conf->read_only_api_key)))
        conf_option_issue(p->issues, true, p->conf, "edge_secret",
            "it is a key of clients as well: whoever holds that could speak as an edge");
}

/* One a line: a subject may hold commas and blanks. */
static void
read_subjects(struct parser *p)
{
    struct str rest = p->conf->edge_subjects, line;
    struct edges_conf *e = p->e;

    e->subjects = ARENA_ARRAY(p->arena, rest.len / 2 + 1, struct str);
    while (rest.len) {
        str_cut(rest, '\n', &line, &rest);
        line = str_trim(line);
        if (line.len)
            e->subjects[e->n_subjects++] = line;
    }
    if (e->n_subjects && str_eq(p->conf->tls_client_auth, STR("off")))
        conf_option_issue(p->issues, true, p->conf, "edge_subjects",
            "certificates of those who connect are not looked at: SEXTANT_TLS_CLIENT_AUTH is off");
}

static void
check_known(struct parser *p)
{
    const struct conf *conf = p->conf;

    if (p->e->n && p->e->secret.len == 0 && conf->edge_cert.len == 0)
        conf_option_issue(p->issues, true, conf, "edges",
            "other edges could not tell this one from a stranger: give all of them the same SEXTANT_EDGE_SECRET, or "
            "this "
            "one SEXTANT_EDGE_CERT and _KEY");
    if (conf->edge_name.len && !p->e->has_own && p->e->n)
        conf_option_issue(p->issues, true, conf, "edge_name", "no line of SEXTANT_EDGES begins with " STR_FMT,
            STR_ARG(conf->edge_name));
}

struct edges_conf *
edges_parse(const struct conf *conf, struct topology *t, struct arena *arena, struct conf_issues *issues)
{
    struct parser p = { .conf = conf, .arena = arena, .t = t, .issues = issues };
    struct word *words;
    unsigned n;

    p.e = ARENA_NEW(arena, struct edges_conf);
    p.e->items = ARENA_ARRAY(arena, CLUSTERS_MAX, struct edge_conf);
    p.scan = scan_option(conf, "edges", conf->edges, issues);
    p.scan.keeps_hash = true;
    while (scan_entry(&p.scan, arena, &words, &n)) {
        if (t->n_clusters + t->n_edges == CLUSTERS_MAX) {
            scan_error(&p.scan, words[0], "there may be %d clusters and other edges at most", CLUSTERS_MAX);
            break;
        }
        read_edge(&p, words, n);
    }
    memset(p.e->owner, -1, sizeof(p.e->owner));
    for (unsigned i = 0; i < p.e->n; i++) {
        for (unsigned k = 0; k < t->n_clusters; k++) {
            if (p.e->items[i].owns >> k & 1)
                p.e->owner[k] = (int8_t)i;
        }
    }
    read_secret(&p);
    read_subjects(&p);
    check_known(&p);
    return p.e;
}
