/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/server/sockets.h"

#include <unistd.h>

#include "proxy/base/mem.h"

struct socket_group *
sockets_add(struct sockets *s, const struct addr *addr, uint16_t port)
{
    struct socket_group *g;

    if (s->n == GROUPS_MAX)
        return NULL;
    g = MEM_NEW(struct socket_group);
    g->addr = *addr;
    g->port = port;
    return s->groups[s->n++] = g;
}

static bool
is_for(const struct socket_group *g, const struct listen_conf *l, bool is_admin)
{
    if (g->is_admin != is_admin)
        return false;
    if (g->is_named && is_admin)
        return true;
    if (l->port == 0)
        return g->text[0] && str_eq(str_from(g->text), l->text);
    return g->port == l->port && addr_eq(&g->addr, &l->addr);
}

struct socket_group *
sockets_find(struct sockets *s, const struct listen_conf *l, bool is_admin)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (is_for(s->groups[i], l, is_admin))
            return s->groups[i];
    }
    return NULL;
}

struct socket_group *
sockets_take(struct sockets *s, const struct listen_conf *l, bool is_admin)
{
    struct socket_group *g = sockets_find(s, l, is_admin);
    unsigned at = 0;

    if (!g)
        return NULL;
    while (s->groups[at] != g)
        at++;
    s->n--;
    memmove(&s->groups[at], &s->groups[at + 1], (s->n - at) * sizeof(struct socket_group *));
    return g;
}

void
sockets_print(const struct sockets *s, struct buf *out)
{
    char text[ADDR_TEXT_MAX];

    for (unsigned i = 0; i < s->n; i++)
        buf_printf(out, "%s%s", i ? ", " : "", addr_print(&s->groups[i]->addr, s->groups[i]->port, text));
}

void
sockets_fini(struct sockets *s)
{
    while (s->n)
        mem_free(s->groups[--s->n]);
}

void
sockets_close(struct sockets *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        for (unsigned j = 0; j < s->groups[i]->n; j++)
            close(s->groups[i]->fds[j]);
    }
    sockets_fini(s);
}
