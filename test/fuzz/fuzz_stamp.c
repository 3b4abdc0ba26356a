/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens of writes as clients send them, and what an edge tells another of how far writes have come. A token that is read is
 * written the same; what an edge says is about its own homes and known clusters only, and lapses.
 */
#include <assert.h>
#include <stddef.h>

#include "proxy/upstream/reach.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EU, US, NOW = 1000000000 };

static struct fleet *
make_fleet(void)
{
    static char clusters[] = "SEXTANT_CLUSTERS=eu http://10.0.0.1 at=DE; us http://10.1.0.1 at=US";
    static char map[] = "SEXTANT_PARTITION_MAP=* *=eu,us copies=external";
    static char *env[] = { clusters, map, NULL };
    static struct arena arena;
    static struct registry *registry;
    struct conf_issues issues = { .arena = &arena };
    struct world *w = world_load(env, 1, &issues);

    assert(w);
    registry = registry_new();
    return fleet_build(registry, w, NULL, NULL);
}

static void
check_tokens(struct str text)
{
    struct stamp s, again;
    char back[STAMP_LEN];

    for (unsigned i = 0; i < STAMPS_MAX && stamp_take(&text, &s); i++) {
        stamp_print(&s, back);
        assert(stamp_parse(str_make(back, STAMP_LEN), &again));
        assert(again.journal == s.journal && again.start == s.start && again.data == s.data && again.lsn == s.lsn);
    }
}

static void
check_reach(struct str text)
{
    static struct fleet *f;
    struct reach_view v;

    if (!f)
        f = make_fleet();
    reach_begin(f, EU, 0, 0);
    reach_take(f, 1 << EU, text, NOW);
    for (unsigned i = EU; i <= US; i++) {
        reach_look(f, US, i, NOW, &v);
        assert(v.lsn == 0);
        reach_look(f, EU, i, NOW, &v);
        assert(v.as_of_us <= NOW && v.until_us <= NOW + REACH_LEASE_US);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);

    check_tokens(text);
    check_reach(text);
    return 0;
}
