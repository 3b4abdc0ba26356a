/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/listing.h"

#include <string.h>

#include "proxy/base/mem.h"
#include "proxy/sync/ask.h"

enum { LIST_US = 5 * 1000 * 1000, LIST_BYTES = 16 << 20, AGAIN_US = 1000 * 1000 };

struct listing {
    struct upstream *up;
    char *cluster;
    struct ask *ask;
    struct timer again;
    listing_fn *on_done;
    void *arg;
};

void
listing_cancel(struct listing **lp)
{
    struct listing *l = *lp;

    *lp = NULL;
    if (!l)
        return;
    ask_cancel(&l->ask);
    timer_fini(&l->again);
    mem_free(l->cluster);
    mem_free(l);
}

static void
on_list(void *arg, const struct ask_answer *answer)
{
    struct listing *l = arg;
    bool is_answer = answer->fail == FAIL_NONE && answer->status == 200;
    struct json_doc *doc = is_answer ? json_parse(answer->body, NULL, NULL) : NULL;
    struct json names = doc ? json_get(json_get(json_root(doc), "result"), "collections") : (struct json){ NULL };

    l->ask = NULL;
    if (json_type(names) == JSON_ARRAY) {
        listing_fn *fn = l->on_done;
        void *to = l->arg;

        listing_cancel(&l);
        fn(to, names);
    } else {
        timer_set(&l->again, AGAIN_US);
    }
    json_free(doc);
}

static void
step(void *arg)
{
    struct listing *l = arg;
    struct ask_spec spec = {
        .cluster = str_from(l->cluster),
        .method = METHOD_GET,
        .target = STR("/collections"),
        .limit = LIST_BYTES,
        .timeout_us = LIST_US,
        .may_repeat = true,
    };

    l->ask = ask_start(l->up, &spec, on_list, l);
}

struct listing *
listing_start(struct upstream *up, const char *cluster, listing_fn *on_done, void *arg)
{
    struct listing *l = MEM_NEW(struct listing);

    l->up = up;
    l->cluster = mem_dup(cluster, strlen(cluster));
    l->on_done = on_done;
    l->arg = arg;
    timer_init(&l->again, up->loop, step, l);
    step(l);
    return l;
}
