/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/server/handover.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/channel.h"
#include "proxy/obs/events.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"

/* A new process reads its databases between "hello" and "ready". */
#define PATIENCE_US (120 * USEC_PER_SEC)
enum { CHILD_FD = 3, ARGS_ROOM = 8 };

static void watch_listener(struct server *s);

/* The new process is gone or talks nonsense: nothing has happened yet. */
static void
drop(struct server *s, const char *why)
{
    struct handover *h = &s->handover;

    if (h->fd < 0)
        return;
    log_warning("hand-over: %s; nothing has changed hands", why);
    events_add(EVENT_HANDOVER_FAILED, STR_NONE, "%s; nothing has changed hands", why);
    timer_clear(&h->patience);
    fd_watch_free(h->watch);
    h->watch = NULL;
    close(h->fd);
    h->fd = -1;
    if (h->child > 0)
        kill(h->child, SIGTERM);
    watch_listener(s);
}

static void
on_impatience(void *arg)
{
    drop(arg, "the new process was not ready in time");
}

static bool
say(struct server *s, const char *text, const int *fds, unsigned n)
{
    int error = channel_send(s->handover.fd, str_from(text), fds, n);

    if (error)
        drop(s, strerrordesc_np(-error));
    return error == 0;
}

static void
greet(struct server *s, struct str protocol, struct str version)
{
    char text[CHANNEL_BYTES];
    uint64_t number;

    if (!str_to_u64(protocol, &number) || number != HANDOVER_PROTOCOL) {
        snprintf(text, sizeof(text),
            "refused sextant " SEXTANT_VERSION " hands over by protocol %d, not " STR_FMT ": stop it and start " STR_FMT
            " then",
            HANDOVER_PROTOCOL, STR_ARG(protocol), STR_ARG(version));
        if (say(s, text, NULL, 0))
            drop(s, "the new process speaks another protocol");
        return;
    }
    log_info("hand-over: asked for by sextant " STR_FMT, STR_ARG(version));
    snprintf(text, sizeof(text), "welcome %d " SEXTANT_VERSION " %d", HANDOVER_PROTOCOL, (int)getpid());
    s->handover.is_greeted = say(s, text, NULL, 0);
}

static void
offer(struct server *s)
{
    struct handover *h = &s->handover;
    char text[CHANNEL_BYTES], bound[ADDR_TEXT_MAX];
    const struct socket_group *g;
    unsigned n;

    if (h->group == s->sockets.n) {
        h->has_offered = say(s, "end", NULL, 0);
        return;
    }
    g = s->sockets.groups[h->group];
    n = g->n - h->offset < CHANNEL_FDS ? g->n - h->offset : CHANNEL_FDS;
    snprintf(text, sizeof(text), "%s %s %s", g->is_admin ? "admin" : "client", addr_print(&g->addr, g->port, bound),
        g->text);
    if (!say(s, text, g->fds + h->offset, n))
        return;
    h->offset += n;
    if (h->offset == g->n) {
        h->group++;
        h->offset = 0;
    }
}

/* The new process serves: it keeps the channel until it has been told that the state is its own. */
static void
let_go(struct server *s, struct str pid)
{
    struct handover *h = &s->handover;

    log_info("hand-over: process " STR_FMT " is ready, this one ends", STR_ARG(pid));
    handover_close_listener(s);
    h->is_done = true;
    timer_clear(&h->patience);
    server_hand_over(s, pid);
    if (h->fd >= 0 && channel_send(h->fd, STR("sealed"), NULL, 0) != 0)
        log_warning("hand-over: the new process does not listen");
    fd_watch_free(h->watch);
    h->watch = NULL;
    close(h->fd);
    h->fd = -1;
}

static void
on_message(void *arg)
{
    struct server *s = arg;
    struct handover *h = &s->handover;
    struct channel_message m;
    struct str word, rest, protocol, version;
    int error = channel_receive(h->fd, &m);

    if (error == -EAGAIN)
        return;
    if (error || m.len == 0) {
        drop(s, error ? strerrordesc_np(-error) : "the new process ended before it was ready");
        return;
    }
    while (m.n_fds)
        close(m.fds[--m.n_fds]);
    str_cut(str_make(m.bytes, m.len), ' ', &word, &rest);
    if (str_eq(word, STR(HANDOVER_HELLO)) && !h->is_greeted) {
        str_cut(rest, ' ', &protocol, &version);
        greet(s, protocol, version);
    } else if (str_eq(word, STR("next")) && h->is_greeted) {
        offer(s);
    } else if (str_eq(word, STR("ready")) && h->has_offered) {
        let_go(s, rest);
    } else {
        drop(s, "the new process says what was not to be expected");
    }
}

static void
begin(struct server *s, int fd)
{
    struct handover *h = &s->handover;

    h->fd = fd;
    h->group = h->offset = 0;
    h->is_greeted = h->has_offered = false;
    h->watch = fd_watch_new(s->loop, fd, on_message, s);
    fd_watch_free(h->listen_watch);
    h->listen_watch = NULL;
    timer_set(&h->patience, PATIENCE_US);
}

/* --- asked for by a process that somebody has started --------------------------------------------------------------- */

static void
on_dialled(void *arg)
{
    struct server *s = arg;
    int fd = channel_accept(s->handover.listen_fd);
    uid_t uid;
    pid_t pid;

    if (fd < 0)
        return;
    if (channel_peer(fd, &uid, &pid) == 0 && uid == geteuid()) {
        begin(s, fd);
        return;
    }
    log_warning("hand-over: refused to process %d of another user", (int)pid);
    close(fd);
}

/* One at a time: others wait in the queue, for the next turn if this one comes to nothing. */
static void
watch_listener(struct server *s)
{
    struct handover *h = &s->handover;

    if (h->listen_fd >= 0 && h->fd < 0 && !h->listen_watch)
        h->listen_watch = fd_watch_new(s->loop, h->listen_fd, on_dialled, s);
}

void
handover_listen(struct server *s)
{
    struct handover *h = &s->handover;
    char text[HANDOVER_ADDRESS];
    struct str at = handover_address(s->world->conf, text);

    if (at.len == 0)
        return;
    h->listen_fd = channel_listen(at);
    if (h->listen_fd < 0) {
        log_warning("hand-over: cannot listen on " STR_FMT ": %s", STR_ARG(at), strerrordesc_np(-h->listen_fd));
        return;
    }
    watch_listener(s);
}

void
handover_close_listener(struct server *s)
{
    struct handover *h = &s->handover;

    fd_watch_free(h->listen_watch);
    h->listen_watch = NULL;
    if (h->listen_fd >= 0)
        close(h->listen_fd);
    h->listen_fd = -1;
}

void
handover_init(struct server *s)
{
    timer_init(&s->handover.patience, s->loop, on_impatience, s);
}

void
handover_fini(struct server *s)
{
    handover_close(s);
    timer_fini(&s->handover.patience);
}

void
handover_close(struct server *s)
{
    handover_close_listener(s);
    drop(s, "the sockets are closed");
}

/* --- asked for by a signal ------------------------------------------------------------------------------------------ */

/* The sockets come by the channel, and the watchdog's process is another one. */
static bool
is_ours_alone(const char *variable)
{
    static const char *const names[] = {
        "LISTEN_PID=", "LISTEN_FDS=", "LISTEN_FDNAMES=", "LISTEN_PIDFDID=", "WATCHDOG_PID="
    };

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_starts(str_from(variable), str_from(names[i])))
            return true;
    }
    return false;
}

static char **
environ_for_child(char **environ)
{
    unsigned n = 0, kept = 0;
    char **list;

    while (environ[n])
        n++;
    list = mem_array(n + 1, sizeof(*list));
    for (unsigned i = 0; i < n; i++) {
        if (!is_ours_alone(environ[i]))
            list[kept++] = environ[i];
    }
    return list;
}

/* A group of its own, so that who stays behind for a supervisor can pass signals on to whichever process serves then. */
static int
spawn(struct server *s, int fd, pid_t *ret_pid)
{
    char serve[] = "serve", successor[] = "--successor", number[] = "3", kept[] = "--kept";
    char *argv[ARGS_ROOM] = { (char *)(uintptr_t)s->program, serve, successor, number,
        server_is_followed(s) ? NULL : kept };
    bool is_first = !s->is_kept && !server_is_followed(s);
    char **environ = environ_for_child(s->environ);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int error;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fd, CHILD_FD);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (is_first ? POSIX_SPAWN_SETPGROUP : 0));
    error = posix_spawn(ret_pid, s->program, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    mem_free(environ);
    return -error;
}

void
handover_spawn(struct server *s)
{
    struct handover *h = &s->handover;
    int fds[2], error;

    if (h->fd >= 0 || h->is_done || h->child > 0) {
        log_warning("hand-over: one is under way already");
        return;
    }
    keeper_prepare();
    error = channel_pair(fds);
    if (error == 0) {
        error = spawn(s, fds[1], &h->child);
        close(fds[1]);
        if (error)
            close(fds[0]);
    }
    if (error) {
        h->child = 0;
        log_error("hand-over: cannot start %s: %s; this process goes on", s->program, strerrordesc_np(-error));
        return;
    }
    h->child_group = h->child;
    log_info("hand-over: SIGUSR2: started %s as process %d", s->program, (int)h->child);
    begin(s, fds[0]);
}

void
handover_pass_on(struct server *s, int signal)
{
    if (s->handover.child > 0 && !server_is_followed(s) && !s->is_kept)
        kill(s->handover.child, signal);
}

void
handover_on_child(struct server *s)
{
    struct handover *h = &s->handover;
    int status;

    if (h->child <= 0 || waitpid(h->child, &status, WNOHANG) != h->child)
        return;
    if (WIFSIGNALED(status))
        log_warning("hand-over: process %d ended by signal %d", (int)h->child, WTERMSIG(status));
    else
        log_warning("hand-over: process %d ended with %d", (int)h->child, WEXITSTATUS(status));
    h->child = 0;
    if (!h->is_done)
        drop(s, "the new process ended before it was ready");
}
