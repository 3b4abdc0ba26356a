/* SPDX-License-Identifier: Apache-2.0
 *
 * The owner of homes whose writes fan out, if the map says that there are any here.
 */
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"
#include "proxy/sync/owner.h"

enum { RETIRE_AFTER_US = 1000 * 1000 };

int
server_make_owner(struct server *s)
{
    struct buf error = { 0 };
    int code = 0;

    if (s->world->fanout->owns == 0)
        return 0;
    code = owner_new(s->fleet, (uint64_t)clock_wall_us(), s->predecessor_fd >= 0, &s->shared.owner, &error);
    if (code)
        log_error("journal: " STR_FMT, STR_ARG(buf_str(&error)));
    buf_fini(&error);
    return code ? 1 : 0;
}

int
server_start_owner(struct server *s)
{
    int error = s->shared.owner ? owner_start(s->shared.owner) : 0;

    if (error)
        log_error("cannot start a thread: %s", strerrordesc_np(-error));
    return error ? 1 : 0;
}

void
server_tell_owner(struct server *s, struct fleet *fleet, struct backend *fallen)
{
    if (s->shared.owner && fleet)
        owner_post_fleet(s->shared.owner, fleet);
    if (s->shared.owner && fallen)
        owner_post_fallen(s->shared.owner, fallen);
}

/* The workers' threads have ended, but their loops are there: what the owner still has is delivered to them. */
void
server_stop_owner(struct server *s)
{
    if (s->shared.owner)
        owner_stop(s->shared.owner);
}

/* Another process serves, and waits for the journal. Those who still write here on kept connections are told to close them by
 * their next answer; those who have not written by then are refused. */
void
server_retire_owner(struct server *s, bool is_alone)
{
    int64_t now_us = loop_now_us(s->loop);

    if (!s->shared.owner || s->is_retiring)
        return;
    if (s->retire_at_us == 0)
        s->retire_at_us = now_us + RETIRE_AFTER_US;
    if (!is_alone && now_us < s->retire_at_us)
        return;
    s->is_retiring = true;
    owner_retire(s->shared.owner);
}

bool
server_is_retiring(const struct server *s)
{
    return s->is_retiring && !owner_has_retired(s->shared.owner);
}

void
server_free_owner(struct server *s)
{
    owner_free(s->shared.owner);
    s->shared.owner = NULL;
}
