/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/world_impl.h"

static void
load_listeners(struct world *w, struct conf_issues *issues)
{
    const struct listeners *l = w->listeners;
    unsigned n_tls = 0;

    w->tls = tls_server_load(w->conf, issues);
    for (unsigned i = 0; i < l->n; i++)
        n_tls += l->items[i].tls;
    if (n_tls && w->conf->tls_cert.len == 0)
        conf_option_issue(issues, true, w->conf, "listen", "a listener with /tls needs SEXTANT_TLS_CERT and _KEY");
    if (n_tls == 0 && w->conf->tls_cert.len)
        conf_option_issue(issues, true, w->conf, "tls_cert",
            "no listener speaks TLS: expected one with the suffix /tls, such as SEXTANT_LISTEN=0.0.0.0:6333/tls");
}

struct told {
    struct conf_issues *issues;
    const struct conf *conf;
    const struct cluster_conf *cluster;
};

static void
on_issue(void *arg, bool is_error, const char *rule, const char *text)
{
    const struct told *told = arg;

    cluster_option_issue(told->issues, is_error, told->cluster, rule, "%s", text);
}

static bool
has_tls(const struct cluster_conf *c)
{
    bool found = false;

    for (unsigned i = 0; i < c->n_endpoints; i++)
        found |= c->endpoints[i].url.is_tls;
    return found;
}

/* Options that would do nothing are a mistake: somebody relies on them. */
static void
check_unused(const struct cluster_conf *c, struct conf_issues *issues)
{
    const struct cluster_options *o = &c->options;
    const char *field = o->ca_file.len       ? "ca_file"
                        : o->tls_name.len    ? "tls_name"
                        : o->client_cert.len ? "client_cert"
                        : o->client_key.len  ? "client_key"
                                             : NULL;

    if (field)
        cluster_option_issue(
            issues, true, c, field, "cluster " STR_FMT " has no https URL, so this has no effect", STR_ARG(c->name));
}

static void
load_cluster(struct world *w, struct cluster_conf *c, struct conf_issues *issues)
{
    const struct cluster_options *o = &c->options;
    const struct tls_client_rules rules = {
        .ca_file = o->ca_file,
        .name = o->tls_name,
        .cert = o->client_cert,
        .key = o->client_key,
        .verify = o->tls_verify,
    };
    const struct str files[] = { o->ca_file, o->client_cert, o->client_key };
    struct told told = { .issues = issues, .cluster = c };

    if (!has_tls(c)) {
        check_unused(c, issues);
        return;
    }
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].len)
            conf_add_file(w->conf, files[i]);
    }
    if (!o->tls_verify)
        cluster_option_issue(issues, false, c, "tls_verify",
            "the certificates of cluster " STR_FMT
            " are not checked: whoever is on the way can read and change everything",
            STR_ARG(c->name));
    w->tls_clients[c->index] = tls_client_load(&rules, on_issue, &told);
}

static void
on_edge_issue(void *arg, bool is_error, const char *rule, const char *text)
{
    static const char *const fields[][2] = { { "ca_file", "edge_ca" }, { "client_cert", "edge_cert" },
        { "client_key", "edge_key" } };
    const struct told *told = arg;

    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strcmp(fields[i][0], rule) == 0)
            conf_option_issue(told->issues, is_error, told->conf, fields[i][1], "%s", text);
    }
}

/* One set of rules for all of them. */
static void
load_edges(struct world *w, struct conf_issues *issues)
{
    const struct conf *conf = w->conf;
    const struct str files[] = { conf->edge_ca, conf->edge_cert, conf->edge_key };
    const struct tls_client_rules rules = {
        .ca_file = conf->edge_ca, .cert = conf->edge_cert, .key = conf->edge_key, .verify = true
    };
    struct told told = { .issues = issues, .conf = conf };
    struct tls_client *tls = NULL;
    unsigned n = w->topology->n_clusters;

    for (unsigned i = n; i < n + w->topology->n_edges; i++) {
        if (!has_tls(&w->topology->clusters[i]))
            continue;
        if (!tls)
            tls = tls_client_load(&rules, on_edge_issue, &told);
        w->tls_clients[i] = tls ? tls_client_ref(tls) : NULL;
    }
    tls_client_unref(tls);
    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].len)
            conf_add_file(w->conf, files[i]);
        if (files[i].len && !tls && issues->n_errors == 0)
            conf_option_issue(issues, true, conf,
                i == 0   ? "edge_ca"
                : i == 1 ? "edge_cert"
                         : "edge_key",
                "no URL of SEXTANT_EDGES is https, so this has no effect");
    }
}

void
world_load_tls(struct world *w, struct conf_issues *issues)
{
    load_listeners(w, issues);
    for (unsigned i = 0; i < w->topology->n_clusters; i++)
        load_cluster(w, &w->topology->clusters[i], issues);
    load_edges(w, issues);
}
