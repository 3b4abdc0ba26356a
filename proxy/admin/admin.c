/* SPDX-License-Identifier: Apache-2.0
 *
 * One request a connection, small heads, no bodies, a few seconds of patience: enough for people and scrapers, and little
 * to get wrong.
 */
#include "proxy/admin/admin.h"

#include <errno.h>

#include "proxy/admin/traffic.h"
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/http/h1.h"

enum { PATIENCE_US = 10 * 1000 * 1000, HEAD_BYTES = 8192, CONNECTIONS_MAX = 64 };

static const struct route {
    const char *path;
    admin_page_fn *page;
    struct str content_type;
    const char *help;
} routes[] = {
#define ROUTE(path, function, content_type, help) \
    { path, admin_page_##function, { content_type, sizeof(content_type) - 1 }, help },
#include "proxy/admin/admin_routes.def"
#undef ROUTE
};
enum { N_ROUTES = sizeof(routes) / sizeof(routes[0]) };

struct visit {
    LIST_ENTRY(visit) entry;
    struct admin *admin;
    struct stream *stream;
    struct h1_parser *parser;
    struct message request;
    struct arena arena;
    struct buf out;
    bool has_answer;
    struct timer timer;
    struct task end;
};

struct admin {
    struct loop *loop;
    struct listener *listener;
    struct admin_view view;
    LIST_HEAD(, visit) visits;
    unsigned n_visits;
    struct timer sample;
};

bool
admin_page_index(const struct admin_view *view, struct str query, struct buf *out)
{
    buf_printf(out, "Sextant %s\n\n", SEXTANT_VERSION);
    for (unsigned i = 0; i < N_ROUTES; i++)
        buf_printf(out, "%-12s %s\n", routes[i].path, routes[i].help);
    return true;
}

static int
hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static struct str
decode(struct str s, struct arena *arena)
{
    char *out = arena_alloc(arena, s.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        bool is_escape = s.p[i] == '%' && i + 2 < s.len && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0;

        if (is_escape) {
            out[n++] = (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    return str_make(out, n);
}

struct str
admin_param(struct str query, const char *name, struct arena *arena)
{
    struct str pair, key, value;

    while (query.len) {
        str_cut(query, '&', &pair, &query);
        str_cut(pair, '=', &key, &value);
        if (str_eq(key, str_from(name)))
            return decode(value, arena);
    }
    return STR_NONE;
}

/* --- one visit --------------------------------------------------------------------------------------------------- */

static void
visit_free(void *arg)
{
    struct visit *v = arg;

    LIST_REMOVE(v, entry);
    v->admin->n_visits--;
    stream_close(&v->stream);
    h1_parser_free(v->parser);
    timer_fini(&v->timer);
    task_cancel(&v->end);
    buf_fini(&v->out);
    arena_fini(&v->arena);
    mem_free(v);
}

static void
end_visit(void *arg)
{
    struct visit *v = arg;

    task_schedule(v->admin->loop, &v->end, visit_free, v);
}

static void
answer_with(struct visit *v, int status, struct str content_type, struct str body)
{
    struct message m;

    message_init(&m, &v->arena);
    m.status = status;
    m.reason = status_reason(status);
    m.framing = FRAMING_LENGTH;
    m.content_length = body.len;
    m.keep_alive = false;
    message_add(&m, STR("content-type"), content_type);
    message_add(&m, STR("cache-control"), STR("no-store"));
    h1_write_response(&v->out, &m, v->request.minor);
    if (v->request.method != METHOD_HEAD)
        buf_add(&v->out, body);
    v->has_answer = true;
}

static void
answer(struct visit *v)
{
    struct str path, query;
    struct buf body = { 0 };

    str_cut(v->request.target, '?', &path, &query);
    for (unsigned i = 0; i < N_ROUTES; i++) {
        bool ok;

        if (!str_eq(path, str_from(routes[i].path)))
            continue;
        if (v->request.method != METHOD_GET && v->request.method != METHOD_HEAD) {
            answer_with(v, 405, STR("text/plain"), STR("only GET here\n"));
            return;
        }
        ok = routes[i].page(&v->admin->view, query, &body);
        answer_with(v, ok ? 200 : 400, ok ? routes[i].content_type : STR("text/plain"), buf_str(&body));
        buf_fini(&body);
        return;
    }
    answer_with(v, 404, STR("text/plain"), STR("no such page; / lists them\n"));
}

static bool
flush(struct visit *v)
{
    while (buf_len(&v->out)) {
        struct str s = buf_str(&v->out);
        struct iovec iov = { (void *)(uintptr_t)s.p, s.len };
        ssize_t n = stream_write(v->stream, &iov, 1);

        if (n == -EAGAIN)
            return true;
        if (n < 0)
            return false;
        buf_consume(&v->out, (size_t)n);
    }
    return !v->has_answer;
}

static void
take_input(struct visit *v, struct str input)
{
    size_t used;
    struct str body;
    enum fail fail;
    enum h1_event event = h1_parse(v->parser, input, &used, &body, &fail);

    if (event == H1_HEAD)
        answer(v);
    else if (event == H1_ERROR)
        answer_with(v, fail_info(fail)->status, STR("text/plain"), STR("not a valid request\n"));
}

static void
on_event(void *arg)
{
    struct visit *v = arg;
    char input[HEAD_BYTES];

    while (!v->has_answer) {
        ssize_t n = stream_read(v->stream, input, sizeof(input));

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            end_visit(v);
            return;
        }
        take_input(v, str_make(input, (size_t)n));
    }
    if (!flush(v)) {
        stream_shutdown(v->stream);
        end_visit(v);
    }
}

static void
on_accept(void *arg, struct stream *s)
{
    struct admin *a = arg;
    struct h1_limits limits = { .head_bytes = HEAD_BYTES, .head_fields = 64, .line_bytes = 4096 };
    struct visit *v;

    if (a->n_visits >= CONNECTIONS_MAX) {
        stream_close(&s);
        return;
    }
    v = MEM_NEW(struct visit);
    v->admin = a;
    v->stream = s;
    v->parser = h1_parser_new(H1_REQUESTS, &limits);
    message_init(&v->request, &v->arena);
    h1_reset(v->parser, &v->request, METHOD_GET);
    timer_init(&v->timer, a->loop, end_visit, v);
    timer_set(&v->timer, PATIENCE_US);
    LIST_INSERT_HEAD(&a->visits, v, entry);
    a->n_visits++;
    stream_on_event(s, on_event, v);
}

static void
on_sample(void *arg)
{
    struct admin *a = arg;

    /* The workers' sets: the control thread's, the last, counts what polling sends. */
    traffic_sample(a->view.rates, a->view.metrics, a->view.n_residency, loop_now_us(a->loop));
    timer_set(&a->sample, RATES_STEP_S * USEC_PER_SEC);
}

struct admin *
admin_new(struct loop *loop, int listen_fd, const struct admin_view *view)
{
    struct admin *a = MEM_NEW(struct admin);

    a->loop = loop;
    a->view = *view;
    a->view.rates = rates_new(TRAFFIC_COUNT);
    timer_init(&a->sample, loop, on_sample, a);
    timer_set(&a->sample, 0);
    LIST_INIT(&a->visits);
    a->listener = listener_new(loop, listen_fd, on_accept, a);
    return a;
}

void
admin_free(struct admin *a)
{
    if (!a)
        return;
    while (!LIST_EMPTY(&a->visits))
        visit_free(LIST_FIRST(&a->visits));
    listener_free(a->listener);
    timer_fini(&a->sample);
    rates_free(a->view.rates);
    mem_free(a);
}
