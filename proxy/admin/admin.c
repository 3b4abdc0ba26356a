/* SPDX-License-Identifier: Apache-2.0
 *
 * One request a connection, small heads, small bodies, a few seconds of patience: enough for people and scrapers, and
 * little to get wrong.
 *
 *   head -> may they? -> page ----------------------> answer -> end
 *             |    \---- body (orders) -> order -----^
 *             |                            \-> wait --^  (a reload)
 *             \---- no ------------------------------^
 */
#include "proxy/admin/admin.h"

#include <errno.h>
#include <stdio.h>

#include "proxy/admin/access.h"
#include "proxy/admin/assets.h"
#include "proxy/admin/traffic.h"
#include "proxy/base/clock.h"
#include "proxy/base/mem.h"
#include "proxy/http/h1.h"
#include "proxy/obs/log.h"

enum {
    PATIENCE_US = 10 * 1000 * 1000,
    LINGER_US = 2 * 1000 * 1000,
    WAIT_PATIENCE_US = 300 * 1000 * 1000,
    HEAD_BYTES = 8192,
    BODY_BYTES = 16384,
    BY_BYTES = 160,
    CONNECTIONS_MAX = 64
};

static const struct route {
    const char *path;
    enum access access;
    admin_page_fn *page; /* by GET, or */
    admin_order_fn *order;
    int refusal;
    struct str content_type;
    const char *help;
} routes[] = {
#define ROUTE(path, access, function, refusal, content_type, help) \
    { path, ACCESS_##access, admin_page_##function, NULL, refusal, { content_type, sizeof(content_type) - 1 }, help },
#define ORDER(path, function, help) \
    { path, ACCESS_WRITE, NULL, admin_order_##function, 400, { "application/json", 16 }, help },
#include "proxy/admin/admin_routes.def"
#undef ROUTE
#undef ORDER
};
enum { N_ROUTES = sizeof(routes) / sizeof(routes[0]) };

struct visit {
    LIST_ENTRY(visit) entry;
    struct admin *admin;
    struct stream *stream;
    struct h1_parser *parser;
    struct message request;
    struct arena arena;
    const struct route *order; /* its body is being read */
    struct buf body;
    struct admin_wait wait;
    struct buf out;
    bool is_granted, has_answer, is_lingering;
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
        buf_printf(out, "%-4s %-12s %s\n", routes[i].order ? "POST" : "GET", routes[i].path, routes[i].help);
    return true;
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
    admin_wait_cancel(&v->wait);
    buf_fini(&v->body);
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
    message_add(&m, STR("x-content-type-options"), STR("nosniff"));
    if (status == 401)
        message_add(&m, STR("www-authenticate"), STR("Bearer realm=\"sextant admin\""));
    if (status == 405)
        message_add(&m, STR("allow"), v->order ? STR("POST") : STR("GET, HEAD"));
    h1_write_response(&v->out, &m, v->request.minor);
    if (v->request.method != METHOD_HEAD)
        buf_add(&v->out, body);
    v->has_answer = true;
}

/* Pages and scrapers read text; whoever gave an order reads JSON. */
static void
answer_error(struct visit *v, int status, const char *sentence)
{
    struct buf body = { 0 };

    if (v->request.method == METHOD_POST)
        admin_put_error(&body, "%s", sentence);
    else
        buf_printf(&body, "%s\n", sentence);
    answer_with(
        v, status, v->request.method == METHOD_POST ? STR("application/json") : STR("text/plain"), buf_str(&body));
    buf_fini(&body);
}

static void
answer_asset(struct visit *v, const struct asset *a)
{
    struct message m;

    message_init(&m, &v->arena);
    m.status = asset_is_known(a, &v->request, &v->arena) ? 304 : 200;
    m.reason = status_reason(m.status);
    m.framing = FRAMING_LENGTH;
    m.content_length = asset_body(a).len;
    asset_add_fields(a, &m, &v->arena);
    h1_write_response(&v->out, &m, v->request.minor);
    if (m.status == 200 && v->request.method != METHOD_HEAD)
        buf_add(&v->out, asset_body(a));
    v->has_answer = true;
}

static bool
flush(struct visit *v)
{
    size_t none;

    if (stream_send(v->stream, &v->out, STR_NONE, &none) < 0)
        return false;
    return buf_len(&v->out) || !v->has_answer;
}

/* Closing while input is unread would reset the connection, and the answer might never be read. */
static void
linger(struct visit *v)
{
    char input[HEAD_BYTES];
    ssize_t n;

    do
        n = stream_read(v->stream, input, sizeof(input));
    while (n > 0);
    if (n != -EAGAIN)
        end_visit(v);
}

static void
end_answer(struct visit *v)
{
    if (!v->is_lingering && flush(v))
        return;
    if (!v->is_lingering) {
        v->is_lingering = true;
        stream_shutdown(v->stream);
        timer_set(&v->timer, LINGER_US);
    }
    linger(v);
}

/* --- pages and orders -------------------------------------------------------------------------------------------- */

/* The route of this path for this method; else one for another method, so that it can be said. */
static const struct route *
find_route(struct str path, bool is_order, bool *ret_is_method)
{
    const struct route *found = NULL;

    *ret_is_method = false;
    for (unsigned i = 0; i < N_ROUTES && !*ret_is_method; i++) {
        if (!str_eq(path, str_from(routes[i].path)))
            continue;
        found = &routes[i];
        *ret_is_method = (routes[i].order != NULL) == is_order;
    }
    return found;
}

static void
answer_page(struct visit *v, const struct route *route, struct str query)
{
    struct buf body = { 0 };
    bool ok = route->page(&v->admin->view, query, &body);

    answer_with(v, ok ? 200 : route->refusal, ok ? route->content_type : STR("text/plain"), buf_str(&body));
    buf_fini(&body);
}

static enum access_verdict
may(struct visit *v, const struct route *route)
{
    struct access_rules rules = {
        .token = (*v->admin->view.fleet)->world->conf->admin_token,
        .is_private = v->admin->view.is_private,
    };

    return access_decide(route->access, &rules, &v->request);
}

/* The head is there: a refusal or a page at once, an order when its body is. */
static void
take_head(struct visit *v)
{
    enum method method = v->request.method;
    bool is_method;
    struct str path, query;
    const struct route *route;
    const struct asset *asset;
    enum access_verdict verdict;

    str_cut(v->request.target, '?', &path, &query);
    asset = method == METHOD_GET || method == METHOD_HEAD ? asset_find(path) : NULL;
    if (asset) {
        answer_asset(v, asset);
        return;
    }
    route = find_route(path, method == METHOD_POST, &is_method);
    if (!route) {
        answer_error(v, 404, "no such page; /help lists them");
        return;
    }
    v->order = route->order ? route : NULL;
    verdict = may(v, route);
    v->is_granted = verdict == ACCESS_GRANTED && route->access != ACCESS_OPEN;
    if (verdict != ACCESS_GRANTED)
        answer_error(v, access_status(verdict), access_sentence(verdict));
    else if (!is_method || (method != METHOD_GET && method != METHOD_HEAD && method != METHOD_POST))
        answer_error(v, 405, route->order ? "only POST here" : "only GET here");
    else if (!route->order)
        answer_page(v, route, query);
}

static void
on_reloaded(void *arg, const struct admin_reload *outcome)
{
    struct visit *v = arg;
    struct buf body = { 0 };
    int status = admin_reload_answer(outcome, &body);

    answer_with(v, status, STR("application/json"), buf_str(&body));
    buf_fini(&body);
    end_answer(v);
}

/* The visit may have gone. */
static void
on_errand(struct errand *e)
{
    struct visit *v = e->arg;

    if (v) {
        admin_wait_cancel(&v->wait);
        answer_with(v, e->status, STR("application/json"), buf_str(&e->answer));
        end_answer(v);
    }
    errand_free(e);
}

/* "anna@host, 127.0.0.1": the name is what the one who asks says of himself. */
static const char *
who(const struct visit *v, struct json body, char text[BY_BYTES])
{
    struct str by = json_string(json_get(body, "by"));
    char address[ADDR_TEXT_MAX];

    if (by.len > 64)
        by.len = 64;
    snprintf(text, BY_BYTES, STR_FMT "%s%s", STR_ARG(by), by.len ? ", " : "",
        addr_print(stream_peer(v->stream, NULL), -1, address));
    return text;
}

static void
take_order(struct visit *v)
{
    struct json_doc *doc = json_parse(buf_len(&v->body) ? buf_str(&v->body) : STR("{}"), NULL, NULL);
    struct admin_order order = { .wait = &v->wait };
    struct buf out = { 0 };
    char by[BY_BYTES];
    int status;

    if (!doc || json_type(json_root(doc)) != JSON_OBJECT) {
        answer_error(v, 400, "the body is no JSON object");
        json_free(doc);
        return;
    }
    order.body = json_root(doc);
    order.by = who(v, order.body, by);
    v->wait.fn = on_reloaded;
    v->wait.arg = v;
    v->wait.loop = v->admin->loop;
    v->wait.on_errand = on_errand;
    status = v->order->order(&v->admin->view, &order, &out);
    json_free(doc);
    if (status)
        answer_with(v, status, v->order->content_type, buf_str(&out));
    else
        timer_set(&v->timer, WAIT_PATIENCE_US);
    buf_fini(&out);
}

static void
take_input(struct visit *v, struct str input)
{
    enum h1_event event = H1_HEAD;

    while (event != H1_MORE && event != H1_DONE && !v->has_answer) {
        size_t used;
        struct str piece;
        enum fail fail;

        event = h1_parse(v->parser, input, &used, &piece, &fail);
        input = str_skip(input, used);
        if (event == H1_HEAD)
            take_head(v);
        else if (event == H1_ERROR)
            answer_error(v, fail_info(fail)->status, "not a valid request");
        else if (event == H1_BODY && buf_len(&v->body) + piece.len > BODY_BYTES)
            answer_error(v, 413, "the body is too long");
        else if (event == H1_BODY)
            buf_add(&v->body, piece);
        else if (event == H1_DONE && v->order)
            take_order(v);
    }
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
        if (!v->wait.is_waiting)
            take_input(v, str_make(input, (size_t)n));
    }
    end_answer(v);
}

/* Whoever may not give orders keeps nobody out who may: the oldest of those visits goes. */
static bool
make_room(struct admin *a)
{
    struct visit *v, *oldest = NULL;

    LIST_FOREACH (v, &a->visits, entry)
        oldest = v->is_granted && !v->is_lingering ? oldest : v;
    if (oldest)
        visit_free(oldest);
    return oldest != NULL;
}

static void
on_accept(void *arg, struct stream *s)
{
    struct admin *a = arg;
    struct h1_limits limits = { .head_bytes = HEAD_BYTES, .head_fields = 64, .line_bytes = 4096 };
    struct visit *v;

    if (a->n_visits >= CONNECTIONS_MAX && !make_room(a)) {
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
    traffic_sample(a->view.rates, a->view.metrics, a->view.n_workers, loop_now_us(a->loop));
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
admin_stop_accepting(struct admin *a)
{
    if (!a)
        return;
    listener_free(a->listener);
    a->listener = NULL;
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
