/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "proxy/base/mem.h"
#include "proxy/net/channel.h"
#include "proxy/obs/log.h"
#include "proxy/server/server_impl.h"

/* The old process answers from its control loop, which never waits long. */
#define PATIENCE_US (10 * USEC_PER_SEC)
#define RETRY_US (100 * USEC_PER_MSEC)

enum outcome { GO_ON, ALONE, REFUSED };

struct str
handover_address(const struct conf *conf, char text[HANDOVER_ADDRESS])
{
    int n;

    if (str_eq(conf->handover, STR("off")) || (conf->handover.len == 0 && conf->state_dir.len == 0))
        return STR_NONE;
    if (conf->handover.len)
        return conf->handover;
    n = snprintf(text, HANDOVER_ADDRESS, STR_FMT "/handover", STR_ARG(conf->state_dir));
    return str_make(text, n < HANDOVER_ADDRESS ? (size_t)n : 0);
}

bool
succession_is_wanted(const struct server *s)
{
    char text[HANDOVER_ADDRESS];

    return handover_address(s->world->conf, text).len > 0;
}

static enum outcome
no_answer(const struct server *s, int error)
{
    if (error == -EAGAIN) {
        log_error("hand-over: the process before this one does not answer: end it, or set SEXTANT_HANDOVER=off");
        return REFUSED;
    }
    log_warning("hand-over: the process before this one has gone (%s)",
        error ? strerrordesc_np(-error) : "it closed the channel");
    return ALONE;
}

/* One question, one answer. */
static enum outcome
ask(struct server *s, const char *question, struct channel_message *ret_answer)
{
    int error = channel_send(s->predecessor_fd, str_from(question), NULL, 0);

    if (error == 0)
        error = channel_receive(s->predecessor_fd, ret_answer);
    if (error == -EMSGSIZE || (error == 0 && ret_answer->n_fds > CHANNEL_FDS)) {
        log_error("hand-over: not all sockets arrived; is the limit of descriptors too low?");
        return REFUSED;
    }
    return error || ret_answer->len == 0 ? no_answer(s, error) : GO_ON;
}

static enum outcome
greet(struct server *s)
{
    char hello[CHANNEL_BYTES];
    struct channel_message m;
    struct str word, rest, version, protocol;
    uint64_t number;
    enum outcome outcome;

    snprintf(hello, sizeof(hello), HANDOVER_HELLO " %d " SEXTANT_VERSION, HANDOVER_PROTOCOL);
    outcome = ask(s, hello, &m);
    if (outcome != GO_ON)
        return outcome;
    str_cut(str_make(m.bytes, m.len), ' ', &word, &rest);
    str_cut(rest, ' ', &protocol, &version);
    if (str_eq(word, STR("welcome")) && str_to_u64(protocol, &number) && number == HANDOVER_PROTOCOL) {
        log_info("hand-over: from sextant " STR_FMT, STR_ARG(version));
        return GO_ON;
    }
    log_error("hand-over: refused by the process before this one: " STR_FMT,
        STR_ARG(str_eq(word, STR("refused")) ? rest : STR("it speaks another protocol")));
    return REFUSED;
}

static void
close_all(struct channel_message *m)
{
    while (m->n_fds)
        close(m->fds[--m->n_fds]);
}

/* "client 0.0.0.0:6333 0.0.0.0:6333/proxy" with sockets; several messages of one group follow each other. */
static bool
take(struct sockets *sockets, struct channel_message *m)
{
    struct str kind, bound, configured, rest;
    struct socket_group *g = sockets->n ? sockets->groups[sockets->n - 1] : NULL;
    struct addr addr;
    uint16_t port;

    str_cut(str_make(m->bytes, m->len), ' ', &kind, &rest);
    str_cut(rest, ' ', &bound, &configured);
    if (!addr_parse_port(bound, &addr, &port) || configured.len >= GROUP_TEXT || m->n_fds == 0)
        return false;
    if (!g || g->port != port || !addr_eq(&g->addr, &addr))
        g = sockets_add(sockets, &addr, port);
    if (!g || g->n + m->n_fds > GROUP_SOCKETS)
        return false;
    g->is_admin = str_eq(kind, STR("admin"));
    snprintf(g->text, sizeof(g->text), STR_FMT, STR_ARG(configured));
    memcpy(g->fds + g->n, m->fds, m->n_fds * sizeof(int));
    g->n += m->n_fds;
    m->n_fds = 0;
    return true;
}

static enum outcome
take_sockets(struct server *s)
{
    struct channel_message m;

    for (;;) {
        enum outcome outcome = ask(s, "next", &m);

        if (outcome != GO_ON)
            return outcome;
        if (str_eq(str_make(m.bytes, m.len), STR("end")))
            return GO_ON;
        if (take(&s->inherited, &m))
            continue;
        close_all(&m);
        log_error("hand-over: the process before this one says what was not to be expected");
        return REFUSED;
    }
}

/* Another edge by mistake, or a new address: in either case its clients would not find it again. */
static bool
is_same_edge(struct server *s)
{
    const struct listeners *l = s->world->listeners;
    struct buf there = { 0 };
    bool is_same = false;

    for (unsigned i = 0; i < l->n && !is_same; i++)
        is_same = sockets_find(&s->inherited, &l->items[i], false) != NULL;
    if (is_same)
        return true;
    sockets_print(&s->inherited, &there);
    log_error("hand-over: another sextant runs here and serves " STR_FMT ", nothing of SEXTANT_LISTEN=" STR_FMT
              ": give each edge its own SEXTANT_STATE_DIR or SEXTANT_HANDOVER, or stop that one first",
        STR_ARG(buf_str(&there)), STR_ARG(s->world->conf->listen));
    buf_fini(&there);
    return false;
}

static int
dial(struct server *s)
{
    char text[HANDOVER_ADDRESS];
    struct str at = handover_address(s->world->conf, text);
    uid_t uid = 0;
    pid_t pid;
    int fd, error;

    if (at.len == 0)
        return 0;
    fd = channel_dial(at, PATIENCE_US);
    if (fd == -ENOENT || fd == -ECONNREFUSED) /* none, or what one that ended has left */
        return 0;
    error = fd < 0 ? fd : channel_peer(fd, &uid, &pid);
    if (error) {
        log_error("hand-over: cannot reach " STR_FMT ": %s", STR_ARG(at), strerrordesc_np(-error));
        return 1;
    }
    if (uid == geteuid()) {
        s->predecessor_fd = fd;
        return 0;
    }
    log_error("hand-over: " STR_FMT " belongs to another user (%d)", STR_ARG(at), (int)uid);
    close(fd);
    return 1;
}

static void
hang_up(struct server *s)
{
    fd_watch_free(s->predecessor_watch);
    s->predecessor_watch = NULL;
    if (s->predecessor_fd >= 0)
        close(s->predecessor_fd);
    s->predecessor_fd = -1;
}

int
succession_begin(struct server *s)
{
    enum outcome outcome;
    int code;

    s->has_lost_predecessor = false;
    if (s->predecessor_fd >= 0)
        channel_set_patience(s->predecessor_fd, PATIENCE_US);
    else if ((code = dial(s)) != 0)
        return code;
    if (s->predecessor_fd < 0)
        return 0;
    outcome = greet(s);
    if (outcome == GO_ON)
        outcome = take_sockets(s);
    if (outcome == GO_ON)
        return is_same_edge(s) ? 0 : 1;
    sockets_close(&s->inherited);
    hang_up(s);
    s->has_lost_predecessor = outcome == ALONE;
    return outcome == ALONE ? 0 : 1;
}

/* The old process is the writer until it says so, or is gone. */
static void
claim_state(void *arg)
{
    struct server *s = arg;
    pid_t pid = 0;
    int error = s->state ? state_lock(s->state, &pid) : 0;

    if (error == -EWOULDBLOCK) {
        timer_set(&s->claim, RETRY_US);
        return;
    }
    if (error)
        log_error("the state directory cannot be locked: %s; nothing is kept", strerrordesc_np(-error));
    server_on_state(s);
}

static void
on_sealed(void *arg)
{
    struct server *s = arg;
    struct channel_message m;
    int error = channel_receive(s->predecessor_fd, &m);

    if (error == -EAGAIN)
        return;
    close_all(&m);
    if (error || m.len == 0)
        log_warning("hand-over: the process before this one ended without a word");
    hang_up(s);
    supervision_ready(s);
    claim_state(s);
}

void
succession_ready(struct server *s)
{
    char text[CHANNEL_BYTES];

    sockets_close(&s->inherited); /* what is not configured any more: the old process still serves its queue */
    if (s->predecessor_fd < 0) {
        supervision_ready(s);
        server_on_state(s);
        return;
    }
    snprintf(text, sizeof(text), "ready %d", (int)getpid());
    s->predecessor_watch = fd_watch_new(s->loop, s->predecessor_fd, on_sealed, s);
    timer_init(&s->claim, s->loop, claim_state, s);
    if (channel_send(s->predecessor_fd, str_from(text), NULL, 0) != 0)
        log_warning("hand-over: the process before this one has gone");
}

void
succession_fini(struct server *s)
{
    hang_up(s);
    if (s->claim.loop)
        timer_fini(&s->claim);
    sockets_close(&s->inherited);
}
