/* SPDX-License-Identifier: Apache-2.0
 *
 * Words to request, answer to words. A command is a line of the table; each is one request.
 */
#include "proxy/ctl/ctl.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "proxy/base/clock.h"
#include "proxy/ctl/ctl_impl.h"

enum { HOST_BYTES = 64, WAIT_SECONDS = 60 };

typedef void show_fn(struct ctl *c, struct json root);

static const struct command {
    const char *name, *arguments, *help;
    unsigned min, max;           /* arguments */
    const char *method, *target; /* with an argument of log-level: POST */
    show_fn *show;
    int seconds;
} commands[] = {
    { "status", "", "clusters and endpoints: health, load, overrides", 0, 0, "GET", "/status?events=0", ctl_show_status,
        5 },
    { "explain", "--ip IP --collection NAME …", "where a request would go and why, as things are now", 0, 0, "GET",
        "/explain", NULL, 5 },
    { "drain", "CLUSTER[/N] [--reason TEXT] [--wait]", "no new requests; what runs may finish", 1, 1, "POST", "/drain",
        ctl_show_hold, 10 },
    { "down", "CLUSTER[/N] [--reason TEXT] [--wait]", "the same, and move at once what may be moved", 1, 1, "POST",
        "/down", ctl_show_hold, 10 },
    { "up", "CLUSTER[/N]", "leave it to the probes again", 1, 1, "POST", "/up", ctl_show_hold, 10 },
    { "overrides", "", "what is drained or down by order, since when, by whom and why", 0, 0, "GET", "/overrides",
        ctl_show_overrides, 5 },
    { "lanes", "", "copies of the homes of this edge: how far behind, what is in their way", 0, 0, "GET", "/lanes",
        ctl_show_lanes, 5 },
    { "adopt", "HOME/COLLECTION", "a collection made past Sextant, or before, is its own from now on", 1, 1, "POST",
        "/adopt", ctl_show_adopt, 60 },
    { "held", "[HOME[/COPY]]", "points that wait for what may come late, and those that a copy refuses", 0, 1, "POST",
        "/held", ctl_show_held, 10 },
    { "retry", "HOME/COPY", "what the copy refused is tried again now", 1, 1, "POST", "/retry", ctl_show_retry, 10 },
    { "resync", "HOME/COPY [COLLECTION] [--delete]", "compare the copy with home, all points, and mend it", 1, 2,
        "POST", "/resync", ctl_show_resync, 10 },
    { "freeze", "[LINE[/PARTITION] [--without COPY] [--reason TEXT] [--wait]]",
        "refuse its writes, so that the map can be changed; or show what is frozen", 0, 1, "POST", "/freeze", NULL, 0 },
    { "unfreeze", "LINE[/PARTITION]", "take them again", 1, 1, "POST", "/unfreeze", ctl_show_unfreeze, 60 },
    { "release", "HOME", "give up the claim on a home that is drained, for another edge", 1, 1, "POST", "/release",
        ctl_show_release, 60 },
    { "compare", "[HOME/COPY] [--collection NAME] [--repair]", "are copies what home is? Exit code 0: yes, 1: no", 0, 1,
        "POST", "/compare", NULL, 0 },
    { "restore", "HOME --from COPY [--behind] [--delete] | HOME --cancel",
        "bring a home that lost its data back from a copy; or call that off, as long as nothing was changed there", 1,
        1, "POST", "/restore", ctl_show_restore, 30 },
    { "reload", "", "read the configuration again, and say what came of it", 0, 0, "POST", "/reload", ctl_show_reload,
        300 },
    { "log-level", "[LEVEL]", "say or change how much is logged", 0, 1, "GET", "/log-level", ctl_show_level, 5 },
    { "health", "", "is it ready to serve? For health checks: exit code 0 or 4", 0, 0, "GET", "/healthz", NULL, 3 },
};
enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

void
ctl_help(struct buf *out)
{
    buf_add(out, STR("  sextant ctl COMMAND [--json] [--admin URL] [--token-file FILE] [--timeout SECONDS]\n"
                     "                     ask and order a running sextant; its address and token come from the same\n"
                     "                     variables as its own\n"));
    for (unsigned i = 0; i < N_COMMANDS; i++)
        buf_printf(out, "      %-9s %-41s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    buf_add(
        out, STR("                     exit codes: 0 done, 1 refused, 2 not understood, 3 not reached, 4 not ready\n"));
}

/* --- words ------------------------------------------------------------------------------------------------------- */

static void
add_parameter(struct ctl *c, struct str name, struct str value)
{
    if (buf_len(&c->query))
        buf_putc(&c->query, '&');
    buf_add(&c->query, name);
    buf_putc(&c->query, '=');
    for (size_t i = 0; i < value.len; i++) {
        unsigned char b = (unsigned char)value.p[i];
        bool is_plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '.' ||
                        b == '-';

        buf_printf(&c->query, is_plain ? "%c" : "%%%02X", b);
    }
}

static bool
is_command(const struct ctl *c, const char *name)
{
    return c->n_words && str_eq(c->words[0], str_from(name));
}

static bool
is_explain(const struct ctl *c)
{
    return is_command(c, "explain");
}

static bool
take_timeout(struct ctl *c, struct str value)
{
    double seconds;

    if (!str_to_double(value, &seconds) || seconds <= 0 || seconds > 86400)
        return false;
    c->timeout_us = (int64_t)(seconds * (double)USEC_PER_SEC);
    return true;
}

static bool
take_option(struct ctl *c, struct str name, struct str value)
{
    static const char *const questions[] = { "--ip", "--place", "--method", "--path", "--collection", "--body" };

    if (str_eq(name, STR("--admin")))
        c->admin = value;
    else if (str_eq(name, STR("--token-file")))
        c->token_file = value;
    else if (str_eq(name, STR("--reason")))
        c->reason = value;
    else if (str_eq(name, STR("--collection")) && is_command(c, "compare"))
        c->collection = value;
    else if (str_eq(name, STR("--from")) && is_command(c, "restore"))
        c->from = value;
    else if (str_eq(name, STR("--without")) && is_command(c, "freeze"))
        c->without = value;
    else if (str_eq(name, STR("--timeout")))
        return take_timeout(c, value);
    else {
        for (unsigned i = 0; i < sizeof(questions) / sizeof(questions[0]) && is_explain(c); i++) {
            if (str_eq(name, str_from(questions[i]))) {
                add_parameter(c, str_skip(name, 2), value);
                return true;
            }
        }
        return false;
    }
    return true;
}

static bool
take_flag(struct ctl *c, struct str name)
{
    if (str_eq(name, STR("--json")))
        return c->is_json = true;
    if (str_eq(name, STR("--repair")) && is_command(c, "compare"))
        return c->repairs = true;
    if (str_eq(name, STR("--delete")) && (is_command(c, "resync") || is_command(c, "restore")))
        return c->deletes = true;
    if (str_eq(name, STR("--behind")) && is_command(c, "restore"))
        return c->may_be_behind = true;
    if (str_eq(name, STR("--cancel")) && is_command(c, "restore"))
        return c->cancels = true;
    if (str_eq(name, STR("--wait")) && c->n_words && !is_explain(c))
        return c->waits = true;
    if (!str_eq(name, STR("--trusted")) || !is_explain(c))
        return false;
    add_parameter(c, STR("trusted"), STR("true"));
    return true;
}

/* Options may stand anywhere after the command. */
static bool
take_words(struct ctl *c, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        struct str word = str_from(argv[i]), name, value;
        bool has_value = str_cut(word, '=', &name, &value), is_option = str_starts(word, STR("--"));
        bool ok;

        if (is_option && !has_value && take_flag(c, word))
            continue;
        if (is_option && !has_value && i + 1 < argc)
            value = str_from(argv[++i]), has_value = true;
        ok = is_option ? has_value && take_option(c, name, value) : c->n_words < CTL_WORDS;
        if (!ok) {
            buf_printf(
                &c->err, "sextant ctl: " STR_FMT " is not understood here; sextant --help tells more\n", STR_ARG(word));
            return false;
        }
        if (!is_option)
            c->words[c->n_words++] = word;
    }
    return true;
}

static bool
can_wait(const struct command *k)
{
    return strcmp(k->name, "drain") == 0 || strcmp(k->name, "down") == 0 || strcmp(k->name, "freeze") == 0;
}

static const struct command *
find_command(struct ctl *c)
{
    for (unsigned i = 0; i < N_COMMANDS && c->n_words; i++) {
        const struct command *k = &commands[i];
        unsigned n = c->n_words - 1;

        if (!str_eq(c->words[0], str_from(k->name)))
            continue;
        if (n >= k->min && n <= k->max && (!c->waits || can_wait(k)))
            return k;
        buf_printf(&c->err, "usage: sextant ctl %s %s\n", k->name, k->arguments);
        return NULL;
    }
    buf_add(&c->err, STR("usage: sextant ctl "));
    for (unsigned i = 0; i < N_COMMANDS; i++)
        buf_printf(&c->err, "%s%s", i ? "|" : "", commands[i].name);
    buf_add(&c->err, STR(" [--json] [--admin URL] [--token-file FILE]\n"));
    return NULL;
}

/* --- one request ------------------------------------------------------------------------------------------------- */

/* "anna@desk": for the log; nobody relies on it. */
void
ctl_put_by(struct ctl *c, struct json_writer *w)
{
    char host[HOST_BYTES] = "";
    struct str user = ctl_environ(c, "SUDO_USER");
    struct buf by = { 0 };

    user = user.len ? user : ctl_environ(c, "USER");
    if (gethostname(host, sizeof(host) - 1) != 0)
        host[0] = '\0';
    buf_printf(&by, STR_FMT "@%s", STR_ARG(user), host);
    json_member_str(w, "by", buf_str(&by));
    buf_fini(&by);
}

static void
put_body(struct ctl *c, const struct command *k, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    if (c->n_words > 1)
        json_member_str(&w, k->show == ctl_show_level ? "level" : "target", c->words[1]);
    if (c->n_words > 2)
        json_member_str(&w, "collection", c->words[2]);
    if (c->from.len)
        json_member_str(&w, "from", c->from);
    if (c->may_be_behind)
        json_member_bool(&w, "behind", true);
    if (c->deletes)
        json_member_bool(&w, "delete", true);
    if (c->cancels)
        json_member_bool(&w, "cancel", true);
    if (c->reason.p)
        json_member_str(&w, "reason", c->reason);
    ctl_put_by(c, &w);
    json_end_object(&w);
}

void
ctl_say_unreached(struct ctl *c, int error)
{
    const char *why = error == -EPROTO ? "what answers there is no sextant" : strerrordesc_np(-error);

    buf_printf(
        &c->err, "sextant ctl: the admin listener at " STR_FMT " cannot be reached: %s\n", STR_ARG(c->place.host), why);
}

int
ctl_refused(struct ctl *c, const struct client_answer *a, struct json root)
{
    struct str sentence = a->is_json ? json_string(json_get(root, "error")) : str_trim(buf_str(&a->body));

    buf_add(&c->err, STR("sextant ctl: "));
    text_escape(sentence, false, &c->err);
    buf_printf(&c->err, " (%d)\n", a->status);
    return CTL_REFUSED;
}

int
ctl_request(struct ctl *c, const struct client_request *request, struct client_answer *ret_answer)
{
    int error = client_ask(&c->place, request, ret_answer);
    struct json_doc *doc;

    if (error) {
        ctl_say_unreached(c, error);
        return CTL_UNREACHABLE;
    }
    if (ret_answer->status == 200)
        return CTL_DONE;
    doc = json_parse(buf_str(&ret_answer->body), NULL, NULL);
    ctl_refused(c, ret_answer, doc ? json_root(doc) : (struct json){ NULL });
    json_free(doc);
    return CTL_REFUSED;
}

static int
show_health(struct ctl *c, const struct client_answer *a)
{
    text_escape(buf_str(&a->body), true, &c->out);
    return a->status == 200 ? CTL_DONE : a->status == 503 ? CTL_NOT_READY : CTL_REFUSED;
}

static int
show(struct ctl *c, const struct command *k, const struct client_answer *a)
{
    struct json_doc *doc = a->is_json ? json_parse(buf_str(&a->body), NULL, NULL) : NULL;
    struct json root = doc ? json_root(doc) : (struct json){ NULL };
    bool is_reload = k->show == ctl_show_reload && a->status == 422;
    int code = a->status == 200 ? CTL_DONE : CTL_REFUSED;

    if (strcmp(k->name, "health") == 0)
        code = show_health(c, a);
    else if (c->is_json && a->is_json)
        buf_add(&c->out, buf_str(&a->body));
    else if (code != CTL_DONE && !is_reload)
        code = ctl_refused(c, a, root);
    else if (!k->show)
        text_escape(buf_str(&a->body), true, &c->out);
    else if (doc)
        k->show(c, root);
    else
        code = CTL_UNREACHABLE;
    if (code == CTL_UNREACHABLE)
        ctl_say_unreached(c, -EPROTO);
    json_free(doc);
    return code;
}

static int
ask(struct ctl *c, const struct command *k)
{
    bool changes = str_eq(str_from(k->method), STR("POST")) || c->n_words - 1 > k->min;
    struct buf body = { 0 };
    struct client_answer answer = { .status = 0 };
    struct client_request request = {
        .method = changes ? "POST" : "GET",
        .target = str_from(k->target),
        .token = c->token,
        .timeout_us = c->timeout_us && !c->waits ? c->timeout_us : k->seconds * USEC_PER_SEC,
    };
    int error, code;

    if (changes)
        put_body(c, k, &body);
    if (is_explain(c)) {
        if (!c->is_json)
            add_parameter(c, STR("format"), STR("text"));
        request.target = arena_printf(&c->arena, "%s?" STR_FMT, k->target, STR_ARG(buf_str(&c->query)));
    }
    request.body = buf_str(&body);
    error = client_ask(&c->place, &request, &answer);
    if (error)
        ctl_say_unreached(c, error);
    code = error ? CTL_UNREACHABLE : show(c, k, &answer);
    if (code == CTL_DONE && c->waits)
        code = ctl_wait_idle(c, c->timeout_us ? c->timeout_us : WAIT_SECONDS * USEC_PER_SEC);
    buf_fini(&answer.body);
    buf_fini(&body);
    return code;
}

/* --- the terminal ------------------------------------------------------------------------------------------------ */

static void
find_style(struct ctl *c)
{
    struct winsize size;

    setlocale(LC_CTYPE, "C.UTF-8");
    if (!isatty(STDOUT_FILENO))
        return;
    c->style.has_colour = ctl_environ(c, "NO_COLOR").len == 0 && !str_eq(ctl_environ(c, "TERM"), STR("dumb"));
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
        c->style.width = size.ws_col;
}

static bool
print(FILE *to, struct buf *text)
{
    bool ok = buf_len(text) == 0 || (fwrite(buf_str(text).p, 1, buf_len(text), to) == buf_len(text) && fflush(to) == 0);

    buf_fini(text);
    return ok;
}

/* Those that are more than one request have files of their own. */
static int
run(struct ctl *c, const struct command *k)
{
    if (is_command(c, "compare"))
        return ctl_compare(c);
    return is_command(c, "freeze") ? ctl_freeze(c) : ask(c, k);
}

int
ctl_main(int argc, char **argv, char **environ)
{
    struct ctl c = { .environ = environ };
    const struct command *k = NULL;
    int code = CTL_USAGE;

    find_style(&c);
    if (take_words(&c, argc, argv))
        k = find_command(&c);
    if (k)
        code = !ctl_find_place(&c) ? CTL_UNREACHABLE : run(&c, k);
    if (!print(stdout, &c.out) && code == CTL_DONE)
        code = CTL_REFUSED;
    print(stderr, &c.err);
    buf_fini(&c.query);
    arena_fini(&c.arena);
    return code;
}
