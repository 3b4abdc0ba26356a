/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_CONF_KEYS_H
#define SEXTANT_CONF_KEYS_H

/* The keys that clients show to Sextant, checked together with those that it shows to clusters. Immutable once built. */

#include "conf/topology.h"
#include "proxy/base/digest.h"

enum { KEYS_API, KEYS_ALT, KEYS_READ_ONLY, KEYS_N };

struct client_key {
    struct str secret; /* empty: not set */
    struct digest digest;
};

struct keys {
    bool is_on; /* clients are authenticated here and never reach a cluster with their own credentials */
    struct client_key client[KEYS_N];
};

/* Checks that no configuration leaves a keyed cluster open to anybody, and what else can be wrong with keys. No message
 * ever holds a key. */
struct keys *keys_parse(
    const struct conf *conf, const struct topology *t, struct arena *arena, struct conf_issues *issues);

#endif
