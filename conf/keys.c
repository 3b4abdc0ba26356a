/* SPDX-License-Identifier: Apache-2.0
 *
 *   no key at all                     credentials of clients pass through
 *   SEXTANT_*API_KEY                  clients are authenticated here; each cluster gets its own key, or none
 *   a cluster's key without those     refused: whoever reaches this edge would be that cluster's owner
 *
 * An empty key is refused rather than taken for none: a secret file that is written just now must not open the door.
 */
#include "conf/keys.h"

enum { SHORT_KEY = 16 };

static const char *const fields[KEYS_N] = { "api_key", "alt_api_key", "read_only_api_key" };

/* What a header field carries unchanged, and Qdrant reads: visible ASCII. */
static bool
is_sendable(struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.p[i] < 0x20 || key.p[i] > 0x7e)
            return false;
    }
    return true;
}

static const char *
fault_of(struct str key)
{
    if (key.len == 0)
        return "the key is empty: give one, or leave the variable out";
    return is_sendable(key) ? NULL : "a key may hold printable ASCII only";
}

static void
check_client_keys(const struct conf *conf, const struct keys *k, struct conf_issues *issues)
{
    for (unsigned i = 0; i < KEYS_N; i++) {
        const struct conf_origin *at = conf_origin(conf, fields[i]);
        const char *fault = fault_of(k->client[i].secret);

        if (!at->is_given || at->is_bad)
            continue;
        if (fault)
            conf_option_issue(issues, true, conf, fields[i], "%s", fault);
        else if (k->client[i].secret.len < SHORT_KEY)
            conf_option_issue(
                issues, false, conf, fields[i], "a key of less than %d characters can be guessed", SHORT_KEY);
    }
}

static bool
is_same(const struct client_key *a, const struct client_key *b)
{
    return a->secret.len && str_eq(a->secret, b->secret);
}

static void
check_distinct(const struct conf *conf, const struct keys *k, struct conf_issues *issues)
{
    if (is_same(&k->client[KEYS_READ_ONLY], &k->client[KEYS_API]) ||
        is_same(&k->client[KEYS_READ_ONLY], &k->client[KEYS_ALT]))
        conf_option_issue(issues, true, conf, "read_only_api_key",
            "it is the same as a key that may write, so whoever holds it may write");
    if (is_same(&k->client[KEYS_ALT], &k->client[KEYS_API]))
        conf_option_issue(issues, false, conf, "alt_api_key", "it is the same as SEXTANT_API_KEY");
}

static void
check_cluster(const struct conf *conf, const struct keys *k, const struct cluster_conf *c, bool is_given,
    struct conf_issues *issues)
{
    struct str key = c->options.api_key;
    const char *fault = fault_of(key);

    if (is_given && fault)
        cluster_option_issue(issues, true, c, "api_key", "%s", fault);
    if (key.len && !k->is_on)
        cluster_option_issue(issues, true, c, "api_key",
            "this key is sent with every request, so clients must show one to Sextant: set SEXTANT_API_KEY");
    if (key.len && str_eq(key, k->client[KEYS_READ_ONLY].secret))
        conf_option_issue(issues, true, conf, "read_only_api_key",
            "it is the same as the key of cluster " STR_FMT ", so whoever holds it may write there", STR_ARG(c->name));
    if (c->options.jwt_rbac && key.len == 0)
        cluster_option_issue(issues, true, c, "jwt_rbac",
            "tokens are signed again with the key of the cluster, and it has none: set its API_KEY");
    if (k->is_on && key.len == 0 && !is_given)
        conf_option_issue(issues, false, conf, "clusters",
            "cluster " STR_FMT " has no key: it gets requests without one", STR_ARG(c->name));
}

struct keys *
keys_parse(const struct conf *conf, const struct topology *t, struct arena *arena, struct conf_issues *issues)
{
    struct keys *k = ARENA_NEW(arena, struct keys);
    const struct str secrets[KEYS_N] = { conf->api_key, conf->alt_api_key, conf->read_only_api_key };

    for (unsigned i = 0; i < KEYS_N; i++) {
        k->client[i].secret = secrets[i];
        k->client[i].digest = digest_sha256(secrets[i]);
        k->is_on |= conf_origin(conf, fields[i])->is_given;
    }
    check_client_keys(conf, k, issues);
    check_distinct(conf, k, issues);
    for (unsigned i = 0; i < t->n_clusters; i++)
        check_cluster(conf, k, &t->clusters[i], cluster_option_is_given(&t->clusters[i], "api_key"), issues);
    return k;
}
