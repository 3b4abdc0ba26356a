/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the cases of test/flow/cases. A case begins with "== what it shows"; each line is a verb and its arguments, done in
 * order. The world is made at the first line that is not `env`. In bytes, \r \n \t \xNN \\ are escapes.
 *
 *   env NAME=VALUE               refuse|accept EP          drop what dials to it from now on, or not
 *   client N [US|ADDRESS]        from now on speak as client N, who comes from there
 *   request METHOD PATH [BODY]   send BYTES   fill N (N bytes of 'x')   leave (close)   vanish (reset)
 *   pause | unpause              the client stops reading, and goes on
 *   sees EP BYTES                the endpoint received these bytes, after what was seen before
 *   answer EP STATUS [BODY]      tell EP BYTES   flood EP N   close EP   reset EP
 *   idle EP                      nothing unseen was received by any connection of it;   dials EP N   how many there were
 *   wait MS   drain   down EP    time passes; SIGTERM came; probes say that it is down
 *   hold drain|down|up TARGET    what an operator orders about a cluster or an endpoint
 *   gets STATUS [BYTES]          the client's next answer, whole, with these bytes in its body; `head STATUS` for HEAD
 *   field NAME VALUE             in that answer; VALUE "-": it has none such
 *   begins BYTES                 the start of what the client got
 *   waits                        nothing unread has come, and the connection is open;  ended | aborted: how it was closed
 *   metric NAME{LABELS} N        how much it moved;  metric NAME N when it has no labels
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proxy/base/mem.h"
#include "proxy/route/auth.h"
#include "test/flow/case_lib.h"
#include "test/flow/flow_lib.h"

struct script {
    struct flow flow;
    bool has_flow;
    struct arena arena;
    const char *env[FLOW_ENV + 1];
    unsigned n_env, client;
    struct addr address; /* family 0: the client's own */
    struct reply reply;
    const char *file;
    unsigned line;
    const char *text;
};

#define BROKEN(s, ...) broken((s), __VA_ARGS__)

static void __attribute__((format(printf, 2, 3))) broken(const struct script *s, const char *format, ...)
{
    char why[400];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof(why), format, args);
    va_end(args);
    fail_msg("%s:%u: %s\n    %s", s->file, s->line, s->text, why);
}

/* --- words ------------------------------------------------------------------------------------------------------- */

static struct str
word(struct str *rest)
{
    struct str w;

    str_cut(str_trim(*rest), ' ', &w, rest);
    *rest = str_trim(*rest);
    return w;
}

static uint64_t
number(const struct script *s, struct str *rest)
{
    struct str w = word(rest);
    uint64_t n = 0;

    if (!str_to_u64(w, &n))
        BROKEN(s, "not a number: " STR_FMT, STR_ARG(w));
    return n;
}

static struct str
bytes(struct script *s, struct str text)
{
    return case_bytes(&s->arena, text);
}

static struct end *
client(struct script *s)
{
    return flow_client(&s->flow, s->client, &s->address);
}

static struct end *
dialled(struct script *s, struct str *rest)
{
    struct str name = word(rest);
    struct end *e = flow_dial(&s->flow, name);

    if (!e)
        BROKEN(s, "no connection to " STR_FMT, STR_ARG(name));
    return e;
}

static struct backend *
backend(struct script *s, struct str *rest)
{
    struct str name = word(rest);
    struct backend *b = flow_backend(&s->flow, name);

    if (!b)
        BROKEN(s, "no endpoint " STR_FMT, STR_ARG(name));
    return b;
}

/* --- verbs: the client ------------------------------------------------------------------------------------------- */

static void
do_env(struct script *s, struct str rest)
{
    if (s->has_flow || s->n_env == FLOW_ENV)
        BROKEN(s, "env stands first");
    s->env[s->n_env++] = bytes(s, rest).p;
}

static void
do_client(struct script *s, struct str rest)
{
    s->client = (unsigned)number(s, &rest);
    s->address.family = 0;
    if (str_eq(rest, STR("US")))
        s->address = (struct addr){ .family = 4, .bytes = { 198, 51, 100, (uint8_t)s->client } };
    else if (rest.len && !addr_parse(rest, &s->address))
        BROKEN(s, "not an address: " STR_FMT, STR_ARG(rest));
    client(s);
}

static void
do_request(struct script *s, struct str rest)
{
    struct str method = word(&rest), path = word(&rest), body = bytes(s, rest), head;

    head = arena_printf(&s->arena, STR_FMT " " STR_FMT " HTTP/1.1\r\nhost: qdrant\r\n", STR_ARG(method), STR_ARG(path));
    end_send(&s->flow, client(s), head);
    if (body.len) {
        head = arena_printf(&s->arena, "content-type: application/json\r\ncontent-length: %zu\r\n", body.len);
        end_send(&s->flow, client(s), head);
    }
    end_send(&s->flow, client(s), arena_printf(&s->arena, "\r\n" STR_FMT, STR_ARG(body)));
}

static void
do_send(struct script *s, struct str rest)
{
    end_send(&s->flow, client(s), bytes(s, rest));
}

static void
send_many(struct script *s, struct end *e, uint64_t n)
{
    struct str block = arena_str(&s->arena, STR("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));

    for (; n; n -= block.len) {
        block.len = n < block.len ? n : block.len;
        end_send(&s->flow, e, block);
    }
}

static void
do_fill(struct script *s, struct str rest)
{
    send_many(s, client(s), number(s, &rest));
}

static void
do_leave(struct script *s, struct str rest)
{
    end_close(client(s), false);
}

static void
do_vanish(struct script *s, struct str rest)
{
    end_close(client(s), true);
}

static void
do_pause(struct script *s, struct str rest)
{
    client(s)->is_paused = true;
}

static void
do_unpause(struct script *s, struct str rest)
{
    client(s)->is_paused = false;
}

static void
check_reply(struct script *s, struct str rest, bool no_body)
{
    struct end *e = client(s);
    int status = (int)number(s, &rest);
    struct str part = bytes(s, rest);

    reply_fini(&s->reply);
    s->reply.status = 0;
    if (!reply_take(e, no_body, &s->reply))
        BROKEN(s, "no whole answer in: " STR_FMT, STR_ARG(buf_str(&e->got)));
    if (s->reply.status != status || !flow_contains(buf_str(&s->reply.body), part, NULL))
        BROKEN(s, "it got: " STR_FMT STR_FMT, STR_ARG(buf_str(&s->reply.head)), STR_ARG(buf_str(&s->reply.body)));
}

static void
do_gets(struct script *s, struct str rest)
{
    check_reply(s, rest, false);
}

static void
do_head(struct script *s, struct str rest)
{
    check_reply(s, rest, true);
}

static void
do_field(struct script *s, struct str rest)
{
    struct str name = word(&rest), wanted = str_eq(rest, STR("-")) ? STR_NONE : rest;
    struct str is = reply_field(&s->reply, arena_str(&s->arena, name).p);

    if (!str_eq(is, wanted))
        BROKEN(s, "it is: " STR_FMT, STR_ARG(is));
}

static void
do_begins(struct script *s, struct str rest)
{
    struct end *e = client(s);
    struct str wanted = bytes(s, rest);

    if (!str_starts(buf_str(&e->got), wanted))
        BROKEN(s, "it got: " STR_FMT, STR_ARG(buf_str(&e->got)));
    buf_consume(&e->got, wanted.len);
}

static void
do_waits(struct script *s, struct str rest)
{
    struct end *e = client(s);

    if (buf_len(&e->got) || e->has_ended || e->error)
        BROKEN(s, "ended %d, error %d, got: " STR_FMT, e->has_ended, e->error, STR_ARG(buf_str(&e->got)));
}

static void
do_ended(struct script *s, struct str rest)
{
    struct end *e = client(s);

    if (buf_len(&e->got) || !e->has_ended)
        BROKEN(s, "ended %d, error %d, got: " STR_FMT, e->has_ended, e->error, STR_ARG(buf_str(&e->got)));
}

static void
do_aborted(struct script *s, struct str rest)
{
    if (!client(s)->error)
        BROKEN(s, "ended %d, error %d", client(s)->has_ended, client(s)->error);
}

/* --- verbs: endpoints -------------------------------------------------------------------------------------------- */

static void
do_refuse(struct script *s, struct str rest)
{
    s->flow.is_refused[backend(s, &rest)->id] = true;
}

static void
do_accept(struct script *s, struct str rest)
{
    s->flow.is_refused[backend(s, &rest)->id] = false;
}

static void
do_sees(struct script *s, struct str rest)
{
    struct end *e = dialled(s, &rest);
    size_t after = 0;

    if (!flow_contains(buf_str(&e->got), bytes(s, rest), &after))
        BROKEN(s, "it received: " STR_FMT, STR_ARG(buf_str(&e->got)));
    buf_consume(&e->got, after);
}

static void
do_answer(struct script *s, struct str rest)
{
    struct end *e = dialled(s, &rest);
    int status = (int)number(s, &rest);
    struct str body = bytes(s, rest);

    buf_clear(&e->got);
    end_send(&s->flow, e,
        arena_printf(&s->arena,
            "HTTP/1.1 %d Whatever\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n" STR_FMT, status,
            body.len, STR_ARG(body)));
}

static void
do_tell(struct script *s, struct str rest)
{
    struct end *e = dialled(s, &rest);

    end_send(&s->flow, e, bytes(s, rest));
}

static void
do_flood(struct script *s, struct str rest)
{
    struct end *e = dialled(s, &rest);

    send_many(s, e, number(s, &rest));
}

static void
do_close(struct script *s, struct str rest)
{
    end_close(dialled(s, &rest), false);
}

static void
do_reset(struct script *s, struct str rest)
{
    end_close(dialled(s, &rest), true);
}

static void
do_idle(struct script *s, struct str rest)
{
    struct backend *b = backend(s, &rest);

    for (unsigned i = 0; i < s->flow.n_dials; i++) {
        if (s->flow.dials[i].backend == b && buf_len(&s->flow.dials[i].got))
            BROKEN(s, "it received: " STR_FMT, STR_ARG(buf_str(&s->flow.dials[i].got)));
    }
}

static void
do_dials(struct script *s, struct str rest)
{
    struct str name = word(&rest);
    unsigned n = flow_dials(&s->flow, name);

    if (n != number(s, &rest))
        BROKEN(s, "there were %u", n);
}

static void
do_down(struct script *s, struct str rest)
{
    struct backend *b = backend(s, &rest);

    for (unsigned i = 0; i < s->flow.world->conf->probe_fall; i++)
        backend_report(b, HEALTH_PROBE_FAIL, loop_now_us(s->flow.loop));
}

/* --- verbs: the rest --------------------------------------------------------------------------------------------- */

static void
do_wait(struct script *s, struct str rest)
{
    flow_wait(&s->flow, (int64_t)number(s, &rest) * 1000);
}

static void
do_drain(struct script *s, struct str rest)
{
    atomic_store(&s->flow.shared.is_draining, true);
    edge_close_idle(s->flow.edge);
}

static void
print_metrics(struct script *s, struct buf *out)
{
    struct metrics_labels labels = { .clusters = { [METRICS_NO_CLUSTER] = "none" } };

    for (unsigned i = 0; i < METRICS_KINDS; i++)
        labels.kinds[i] = op_kind_name((enum op_kind)i);
    for (unsigned i = 0; i < METRICS_KEYS; i++)
        labels.keys[i] = auth_kind_name((enum auth_kind)i);
    for (unsigned i = 0; i < METRICS_SOURCES; i++)
        labels.sources[i] = place_source_name((enum place_source)i);
    for (unsigned i = 0; i < s->flow.fleet->n_clusters; i++)
        labels.clusters[s->flow.fleet->clusters[i].cluster->slot] = s->flow.fleet->clusters[i].cluster->name;
    metrics_print(&s->flow.metrics, 1, &labels, out);
}

static void
do_metric(struct script *s, struct str rest)
{
    struct buf page = { 0 };
    struct str name = word(&rest), value, line, all;
    bool is_zero = str_eq(rest, STR("0"));

    print_metrics(s, &page);
    all = arena_str(&s->arena, buf_str(&page));
    buf_fini(&page);
    while (str_cut(all, '\n', &line, &all)) {
        if (!str_starts(line, name) || line.p[name.len] != ' ')
            continue;
        value = str_trim(str_skip(line, name.len));
        if (!str_eq(value, rest))
            BROKEN(s, "it moved by " STR_FMT, STR_ARG(value));
        return;
    }
    if (!is_zero)
        BROKEN(s, "it did not move");
}

static void
do_hold(struct script *s, struct str rest)
{
    flow_hold(&s->flow, rest);
}

static const struct verb {
    const char *name;
    void (*fn)(struct script *s, struct str rest);
} verbs[] = { { "env", do_env }, { "client", do_client }, { "request", do_request }, { "send", do_send },
    { "fill", do_fill }, { "leave", do_leave }, { "vanish", do_vanish }, { "pause", do_pause },
    { "unpause", do_unpause }, { "gets", do_gets }, { "head", do_head }, { "field", do_field }, { "begins", do_begins },
    { "waits", do_waits }, { "ended", do_ended }, { "aborted", do_aborted }, { "refuse", do_refuse },
    { "accept", do_accept }, { "sees", do_sees }, { "answer", do_answer }, { "tell", do_tell }, { "flood", do_flood },
    { "close", do_close }, { "reset", do_reset }, { "idle", do_idle }, { "dials", do_dials }, { "down", do_down },
    { "wait", do_wait }, { "hold", do_hold }, { "drain", do_drain }, { "metric", do_metric } };

/* --- cases ------------------------------------------------------------------------------------------------------- */

static void
do_line(struct script *s, struct str line)
{
    struct str verb = word(&line);

    for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (!str_eq(verb, str_from(verbs[i].name)))
            continue;
        if (!s->has_flow && verbs[i].fn != do_env) {
            flow_init(&s->flow, s->env);
            s->has_flow = true;
        }
        verbs[i].fn(s, line);
        if (s->has_flow)
            flow_settle(&s->flow);
        return;
    }
    BROKEN(s, "no such verb");
}

static void
run_case(void **state)
{
    const struct flow_case *c = *state;
    struct script *s = MEM_NEW(struct script);
    struct str rest = str_from(c->text), line;

    s->client = 1;
    s->file = c->file;
    for (s->line = c->line; rest.len; s->line++) {
        str_cut(rest, '\n', &line, &rest);
        line = str_trim(line);
        if (line.len == 0 || line.p[0] == '#')
            continue;
        s->text = arena_str(&s->arena, line).p;
        do_line(s, line);
    }
    assert_true(s->has_flow);
    flow_fini(&s->flow);
    reply_fini(&s->reply);
    arena_fini(&s->arena);
    mem_free(s);
}

int
main(void)
{
    static struct flow_case cases[CASES_MAX];
    static struct CMUnitTest tests[CASES_MAX];
    unsigned n = cases_load("test/flow/cases", cases);
    int code;

    for (unsigned i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){ .name = cases[i].name, .test_func = run_case, .initial_state = &cases[i] };
    code = _cmocka_run_group_tests("flow", tests, n, NULL, NULL);
    cases_free(cases, n);
    return n ? code : 1;
}
