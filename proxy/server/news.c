/* SPDX-License-Identifier: Apache-2.0
 *
 * A verdict fell or was lifted: workers are told at once, and it is put into words on the control thread, which knows the
 * endpoint's name.
 */
#include "proxy/base/mem.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"

struct news {
    struct server *server;
    struct backend *backend; /* a reference */
    enum health_state to;
};

static void
put_name(const struct fleet *f, const struct backend *b, struct buf *out)
{
    for (unsigned i = 0; i < f->n_targets; i++) {
        for (unsigned j = 0; j < f->clusters[i].n_backends; j++) {
            if (f->clusters[i].backends[j].backend != b)
                continue;
            buf_printf(out, "%s/%u", f->clusters[i].cluster->name, f->clusters[i].backends[j].endpoint);
            return;
        }
    }
    buf_add(out, str_from(b->url)); /* of a fleet that was replaced meanwhile */
}

static void
on_news(void *arg)
{
    struct news *news = arg;
    struct buf name = { 0 }, reason = { 0 };

    put_name(news->server->fleet, news->backend, &name);
    backend_print_failure(news->backend, &reason);
    buf_putc(&reason, '\0');
    if (health_is_usable(news->to))
        events_add(EVENT_ENDPOINT_UP, buf_str(&name), "in use again (%s)", news->backend->text);
    else if (news->to == HEALTH_EJECTED)
        events_add(EVENT_ENDPOINT_EJECTED, buf_str(&name), "ejected, as requests to it fail: %s (%s)",
            buf_str(&reason).p, news->backend->text);
    else
        events_add(EVENT_ENDPOINT_DOWN, buf_str(&name), "down, as its probes fail: %s (%s)", buf_str(&reason).p,
            news->backend->text);
    buf_fini(&name);
    buf_fini(&reason);
    backend_unref(news->backend);
    mem_free(news);
}

static void
tell(struct server *s, struct backend *b, enum health_state to)
{
    struct news *news = MEM_NEW(struct news);

    news->server = s;
    news->backend = backend_ref(b);
    news->to = to;
    loop_post(s->loop, on_news, news);
}

void
server_on_verdict(void *server, struct backend *b, enum health_state from, enum health_state to)
{
    struct server *s = server;
    bool was_usable = health_is_usable(from);

    if (was_usable == health_is_usable(to))
        log_debug("endpoint %s (%s): %s after %s", b->url, b->text, health_state_name(to), health_state_name(from));
    else
        log_warning("endpoint %s (%s): %s after %s", b->url, b->text, health_state_name(to), health_state_name(from));
    if (was_usable != health_is_usable(to) || (from == HEALTH_EJECTED && to == HEALTH_DOWN))
        tell(s, b, to);
    if (!was_usable || health_is_usable(to))
        return;
    for (unsigned i = 0; i < s->n_workers; i++)
        worker_post_fallen(s->workers[i], b);
    server_tell_owner(s, NULL, b);
}
