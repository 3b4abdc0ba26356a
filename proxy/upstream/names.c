/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/upstream/names.h"

#include <string.h>
#include <sys/queue.h>

#include "proxy/base/mem.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"

enum { RETRY_US = 1000 * 1000, SHORTEST_US = 1000 * 1000 };

struct name {
    LIST_ENTRY(name) entry;
    struct names *names;
    char *host;
    struct lookup *lookup;
    struct timer timer;
    struct addr addrs[RESOLVED_MAX];
    unsigned n;
    bool has_ended, is_followed, is_failing;
};

struct names {
    struct loop *loop;
    struct resolver *resolver;
    LIST_HEAD(, name) list;
    int64_t max_us;
    void (*on_change)(void *arg);
    void *arg;
};

static void look_up(void *arg);

static int64_t
next_us(const struct name *name, const struct resolved *result)
{
    int64_t us = result->error ? RETRY_US : result->ttl_us;

    us = us < SHORTEST_US ? SHORTEST_US : us;
    return us < name->names->max_us ? us : name->names->max_us;
}

/* Said when it begins and when it ends. */
static void
tell(const struct name *name, const struct resolved *result)
{
    const char *why = result->error_text ? result->error_text : "look-up failed";
    const char *meanwhile = name->n ? "; the last good ones stay in use" : "";

    if (result->error && !name->is_failing) {
        log_warning("%s: no address: %s%s", name->host, why, meanwhile);
        events_add(EVENT_NAME_FAILED, str_from(name->host), "no address: %s%s", why, meanwhile);
    } else if (!result->error && name->is_failing) {
        events_add(EVENT_NAME_BACK, str_from(name->host), "can be looked up again");
    }
}

static void
on_resolved(void *arg, const struct resolved *result)
{
    struct name *name = arg;
    bool is_first = !name->has_ended;
    bool is_changed = !result->error && (result->n != name->n || memcmp(result->addrs, name->addrs,
                                                                     result->n * sizeof(name->addrs[0])) != 0);

    name->lookup = NULL;
    name->has_ended = true;
    timer_set(&name->timer, next_us(name, result));
    tell(name, result);
    name->is_failing = result->error != 0;
    if (is_changed) {
        memcpy(name->addrs, result->addrs, result->n * sizeof(name->addrs[0]));
        name->n = result->n;
    }
    if (is_changed || is_first)
        name->names->on_change(name->names->arg);
}

static void
look_up(void *arg)
{
    struct name *name = arg;

    if (!name->lookup)
        name->lookup = lookup_start(name->names->resolver, name->host, on_resolved, name);
}

struct names *
names_new(struct loop *loop, void (*on_change)(void *arg), void *arg)
{
    struct names *n = MEM_NEW(struct names);

    n->loop = loop;
    n->resolver = resolver_new(loop);
    n->on_change = on_change;
    n->arg = arg;
    LIST_INIT(&n->list);
    return n;
}

static void
name_free(struct name *name)
{
    LIST_REMOVE(name, entry);
    lookup_cancel(&name->lookup);
    timer_fini(&name->timer);
    mem_free(name->host);
    mem_free(name);
}

void
names_free(struct names *n)
{
    struct name *name;

    if (!n)
        return;
    while ((name = LIST_FIRST(&n->list)))
        name_free(name);
    resolver_free(n->resolver);
    mem_free(n);
}

static struct name *
find(const struct names *n, struct str host)
{
    struct name *name;

    LIST_FOREACH (name, &n->list, entry) {
        if (str_eq(str_from(name->host), host))
            return name;
    }
    return NULL;
}

static void
follow(struct names *n, struct str host)
{
    struct name *name = find(n, host);

    if (!name) {
        name = MEM_NEW(struct name);
        name->names = n;
        name->host = mem_dup(host.p, host.len);
        timer_init(&name->timer, n->loop, look_up, name);
        LIST_INSERT_HEAD(&n->list, name, entry);
        look_up(name);
    }
    name->is_followed = true;
}

void
names_follow(struct names *n, const struct topology *t, int64_t max_us)
{
    struct name *name, *next;

    n->max_us = max_us;
    LIST_FOREACH (name, &n->list, entry)
        name->is_followed = false;
    for (unsigned i = 0; i < t->n_clusters + t->n_edges; i++) {
        for (unsigned j = 0; j < t->clusters[i].n_endpoints; j++) {
            const struct url *url = &t->clusters[i].endpoints[j].url;

            if (!url->is_literal)
                follow(n, url->host);
        }
    }
    for (name = LIST_FIRST(&n->list); name; name = next) {
        next = LIST_NEXT(name, entry);
        if (!name->is_followed)
            name_free(name);
    }
}

unsigned
names_failing(const struct names *n)
{
    const struct name *name;
    unsigned failing = 0;

    LIST_FOREACH (name, &n->list, entry)
        failing += name->is_failing;
    return failing;
}

unsigned
names_get(void *names, struct str host, struct addr *ret_addrs, unsigned room)
{
    const struct name *name = find(names, host);
    unsigned n = name ? name->n : 0;

    n = n < room ? n : room;
    if (n)
        memcpy(ret_addrs, name->addrs, n * sizeof(*ret_addrs));
    return n;
}
