/* SPDX-License-Identifier: Apache-2.0
 *
 * Whose the state directory is, and what the server itself keeps there: round trips, every minute and when it is given up.
 */
#include <errno.h>
#include <poll.h>

#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"
#include "proxy/upstream/learned.h"

#define SAVE_EVERY_US (60 * USEC_PER_SEC)
#define RTT_FILE "rtt"
enum { LOCK_TRIES = 60, LOCK_PAUSE_MS = 50 };

static int
say_in_use(const struct server *s, int error, pid_t pid)
{
    struct str dir = s->world->conf->state_dir;

    if (error == -EWOULDBLOCK)
        log_error("SEXTANT_STATE_DIR " STR_FMT " is in use by another sextant (process %d): give each its own",
            STR_ARG(dir), (int)pid);
    else
        log_error("SEXTANT_STATE_DIR " STR_FMT " cannot be used: %s", STR_ARG(dir), strerrordesc_np(-error));
    return 1;
}

/* Two that write to one directory would undo each other's changes: it is this process's own, or that of the process before,
 * which will hand it over. When it is neither, another process may be between the two: it is asked again for a while. */
int
server_find_place(struct server *s)
{
    struct str dir = s->world->conf->state_dir;
    pid_t pid = 0;
    int error = dir.len ? state_open(dir, &s->state) : 0;

    if (error)
        return say_in_use(s, error, 0);
    if (activation_take(s) != 0)
        return 1;
    for (int tries = 0;; tries++) {
        int code = s->is_activated ? 0 : succession_begin(s);

        if (code || s->predecessor_fd >= 0)
            return code;
        error = s->state ? state_lock(s->state, &pid) : 0;
        if (error == 0 && (s->state || !s->has_lost_predecessor || tries == LOCK_TRIES))
            return 0;
        if (error && (error != -EWOULDBLOCK || tries == LOCK_TRIES || !succession_is_wanted(s)))
            return say_in_use(s, error, pid);
        poll(NULL, 0, LOCK_PAUSE_MS);
    }
}

/* --- round trips ------------------------------------------------------------------------------------------------- */

static void
save_learned(struct server *s)
{
    struct buf text = { 0 };
    int error;

    if (!s->state || !state_is_writer(s->state) || !s->fleet)
        return;
    learned_print(s->fleet, clock_wall_us(), &text);
    error = state_write(s->state, RTT_FILE, buf_str(&text));
    if (error && !s->has_save_failed)
        log_warning("round trips cannot be kept in " STR_FMT ": %s", STR_ARG(s->world->conf->state_dir),
            strerrordesc_np(-error));
    s->has_save_failed = error != 0;
    buf_fini(&text);
}

static void
on_save(void *arg)
{
    struct server *s = arg;

    save_learned(s);
    timer_set(&s->save, SAVE_EVERY_US);
}

void
server_state_init(struct server *s)
{
    timer_init(&s->save, s->loop, on_save, s);
}

/* The process before this one may write it still: it is only a hint. */
void
server_recall(struct server *s)
{
    struct buf text = { 0 };
    int error = s->state ? state_read(s->state, RTT_FILE, LEARNED_BYTES, &text) : -ENOENT;

    if (error == 0 && !learned_apply(s->fleet, buf_str(&text), clock_wall_us()))
        log_warning(
            "the file " RTT_FILE " in " STR_FMT " makes no sense and is ignored", STR_ARG(s->world->conf->state_dir));
    else if (error && error != -ENOENT)
        log_warning("the file " RTT_FILE " in " STR_FMT " is ignored: %s", STR_ARG(s->world->conf->state_dir),
            strerrordesc_np(-error));
    buf_fini(&text);
}

/* --- changing hands ---------------------------------------------------------------------------------------------- */

void
server_seal_state(struct server *s)
{
    save_learned(s);
    timer_clear(&s->save);
    if (s->state)
        state_unlock(s->state);
}

void
server_on_state(struct server *s)
{
    server_refresh_holds(s);
    handover_listen(s);
    server_write_ports(s);
    timer_set(&s->save, SAVE_EVERY_US);
}
