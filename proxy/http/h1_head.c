/* SPDX-License-Identifier: Apache-2.0
 *
 * From the bytes of a head to a message: the start line, the table, and the rules that are not syntax. What must hold
 * afterwards:
 *   1. exactly one reading of where the body ends, or a refusal: one Content-Length of plain digits, or one Transfer-Encoding
 *      that is "chunked" and nothing else, never both, and chunked not in HTTP/1.0;
 *   2. the target is origin-form ("/…") or the "*" of OPTIONS, printable ASCII without "#";
 *   3. the host is a syntactically valid one, and there is one place where it stands.
 */
#include "proxy/http/h1_head.h"

#include "proxy/base/addr.h"
#include "proxy/base/mem.h"

enum { SPARE_FIELDS = 8 }; /* room in the table for what the proxy adds */

void
h1_places_lend(struct h1_places *p, struct h1_place *lent)
{
    if (p->kept)
        return;
    p->at = lent;
    p->room = H1_PLACES_LENT;
}

void
h1_places_keep(struct h1_places *p)
{
    if (p->n == 0 || p->kept)
        return;
    p->kept = mem_array(p->most, sizeof(*p->kept));
    memcpy(p->kept, p->at, p->n * sizeof(*p->kept));
    p->at = p->kept;
    p->room = p->most;
}

void
h1_places_forget(struct h1_places *p)
{
    mem_free(p->kept);
    p->kept = NULL;
}

static char *
copy_head(struct message *m, struct str early, struct str last)
{
    char *head = arena_alloc(m->arena, early.len + last.len);

    if (early.len)
        memcpy(head, early.p, early.len);
    memcpy(head + early.len, last.p, last.len);
    return head;
}

static struct str
first_line(struct str head)
{
    const char *end = memchr(head.p, '\n', head.len);

    return str_make(head.p, end ? (size_t)(end - head.p) + 1 : 0);
}

static bool
parse_version(struct str text, uint8_t *ret_minor)
{
    if (!str_eq(text, STR("HTTP/1.1")) && !str_eq(text, STR("HTTP/1.0")))
        return false;
    *ret_minor = (uint8_t)(text.p[7] - '0');
    return true;
}

/* "METHOD SP target SP HTTP/1.x CRLF": llhttp also takes more spaces, the versions 0.9 and 2.0, RTSP and ICE. */
static enum fail
request_line(struct message *m, struct str line)
{
    struct str rest, version;

    str_cut(line, ' ', &m->method_text, &rest);
    if (!str_cut(rest, ' ', &m->target, &version))
        return FAIL_VERSION_UNSUPPORTED;
    if (m->target.len == 0 || !str_ends(version, STR("\r\n")) || str_find(version, ' ') >= 0)
        return FAIL_BAD_REQUEST;
    version.len -= 2;
    return parse_version(version, &m->minor) ? FAIL_NONE : FAIL_VERSION_UNSUPPORTED;
}

/* "HTTP/1.x SP 3DIGIT [SP reason] CRLF"; no control bytes in the reason. */
static enum fail
status_line(struct message *m, struct str line)
{
    uint64_t status;

    if (line.len < 14 || !str_ends(line, STR("\r\n")) || line.p[8] != ' ')
        return FAIL_UPSTREAM_PROTOCOL;
    if (!parse_version(str_make(line.p, 8), &m->minor) || !str_to_u64(str_make(line.p + 9, 3), &status))
        return FAIL_UPSTREAM_PROTOCOL;
    m->status = (int)status;
    line = str_make(line.p + 12, line.len - 14);
    if (line.len && line.p[0] != ' ')
        return FAIL_UPSTREAM_PROTOCOL;
    m->reason = str_skip(line, 1);
    for (size_t i = 0; i < m->reason.len; i++) {
        unsigned char c = (unsigned char)m->reason.p[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            return FAIL_UPSTREAM_PROTOCOL;
    }
    return FAIL_NONE;
}

/* ASCII letters only. A byte without its high bit is a capital when adding 63 sets that bit and adding 37 does not. */
static void
lower_word(char *text)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
    uint64_t word, low;

    memcpy(&word, text, sizeof(word));
    low = word & ~highs;
    word |= ((low + ones * (0x80 - 'A')) & ~(low + ones * (0x7f - 'Z')) & ~word & highs) >> 2;
    memcpy(text, &word, sizeof(word));
}

/* Eight bytes at a time, the last ones twice: it makes no difference. */
static void
lower_case(char *text, size_t len)
{
    size_t i = 0;

    for (; i + 8 <= len; i += 8)
        lower_word(text + i);
    if (i && i < len) {
        lower_word(text + len - 8);
        return;
    }
    for (; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        text[i] = (char)(c | (c >= 'A' && c <= 'Z' ? 0x20 : 0));
    }
}

static inline struct str
trim(struct str s)
{
    return s.len == 0 || (s.p[0] > ' ' && s.p[s.len - 1] > ' ') ? s : str_trim(s);
}

static void
fill_fields(struct message *m, char *head, const struct h1_place *places, unsigned n)
{
    m->cap_fields = n + SPARE_FIELDS;
    m->fields = ARENA_ARRAY(m->arena, m->cap_fields, struct field);
    for (unsigned i = 0; i < n; i++) {
        struct h1_span name = places[i].name, value = places[i].value;

        lower_case(head + name.at, name.len);
        message_add(m, str_make(head + name.at, name.len), trim(str_make(head + value.at, value.len)));
    }
}

/* unreserved and sub-delims of RFC 3986. */
static const bool is_name_char[256] = { ['a' ... 'z'] = true,
    ['A' ... 'Z'] = true,
    ['0' ... '9'] = true,
    ['-'] = true,
    ['.'] = true,
    ['_'] = true,
    ['~'] = true,
    ['!'] = true,
    ['$'] = true,
    ['&' ... ','] = true,
    [';'] = true,
    ['='] = true };

static bool
is_reg_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (is_name_char[(unsigned char)s.p[i]])
            continue;
        if (s.p[i] != '%' || s.len - i < 3 || str_hex_value(s.p[i + 1]) < 0 || str_hex_value(s.p[i + 2]) < 0)
            return false;
        i += 2;
    }
    return s.len > 0;
}

static bool
is_port(struct str s)
{
    uint64_t port;

    return s.len == 0 || (s.len <= 5 && str_to_u64(s, &port) && port <= 65535);
}

/* What stands between "[" and "]": IPv6 without a zone. */
static bool
is_ip_literal(struct str s)
{
    struct addr a;

    return str_find(s, ':') >= 0 && str_find(s, '%') < 0 && str_find(s, '[') < 0 && addr_parse(s, &a);
}

bool
h1_is_host(struct str host)
{
    struct str name, port;

    if (host.len && host.p[0] == '[') {
        if (!str_cut(str_skip(host, 1), ']', &name, &port) || !is_ip_literal(name))
            return false;
        return port.len == 0 || (port.p[0] == ':' && is_port(str_skip(port, 1)));
    }
    str_cut(host, ':', &name, &port);
    return is_reg_name(name) && is_port(port);
}

/* One Host on HTTP/1.1, at most one on HTTP/1.0. (Qdrant takes none and several; but two readers of two Hosts disagree.) */
static enum fail
check_host(struct message *m)
{
    unsigned hosts = message_count(m, FIELD_HOST);

    m->host = message_value(m, FIELD_HOST);
    if (hosts == 0 && m->minor == 0)
        return FAIL_NONE;
    return hosts == 1 && h1_is_host(m->host) ? FAIL_NONE : FAIL_BAD_HOST;
}

static bool
starts_nocase(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq_nocase(str_make(s.p, prefix.len), prefix);
}

/* absolute-form (RFC 9112 §3.2.2): the authority replaces Host, the rest becomes origin-form. */
static enum fail
split_absolute(struct message *m)
{
    struct str rest;
    size_t end = 0;

    if (starts_nocase(m->target, STR("http://")))
        rest = str_skip(m->target, 7);
    else if (starts_nocase(m->target, STR("https://")))
        rest = str_skip(m->target, 8);
    else
        return FAIL_BAD_TARGET;
    while (end < rest.len && rest.p[end] != '/' && rest.p[end] != '?')
        end++;
    m->host = str_make(rest.p, end);
    if (!h1_is_host(m->host))
        return FAIL_BAD_HOST;
    rest = str_skip(rest, end);
    if (rest.len == 0)
        m->target = m->method == METHOD_OPTIONS ? STR("*") : STR("/");
    else if (rest.p[0] == '?')
        m->target = arena_printf(m->arena, "/" STR_FMT, STR_ARG(rest));
    else
        m->target = rest;
    return FAIL_NONE;
}

static const bool is_target_char[256] = { ['!' ... '"'] = true, ['$' ... '~'] = true };

static enum fail
check_target(struct message *m)
{
    for (size_t i = 0; i < m->target.len; i++) {
        if (!is_target_char[(unsigned char)m->target.p[i]])
            return FAIL_BAD_TARGET;
    }
    if (str_eq(m->target, STR("*")))
        return m->method == METHOD_OPTIONS ? FAIL_NONE : FAIL_BAD_TARGET;
    if (m->target.len && m->target.p[0] == '/')
        return FAIL_NONE;
    return split_absolute(m);
}

/* Fills framing and content_length if the fields state a length; FRAMING_NONE if they don't. */
static enum fail
check_framing(struct message *m)
{
    unsigned codings = message_count(m, FIELD_TRANSFER_ENCODING), lengths = message_count(m, FIELD_CONTENT_LENGTH);

    m->framing = FRAMING_NONE;
    m->content_length = 0;
    if (codings + lengths > 1)
        return FAIL_BAD_FRAMING;
    if (codings) {
        if (!str_eq_nocase(message_value(m, FIELD_TRANSFER_ENCODING), STR("chunked")))
            return FAIL_CODING_UNSUPPORTED;
        if (m->minor == 0)
            return FAIL_BAD_FRAMING;
        m->framing = FRAMING_CHUNKED;
    } else if (lengths) {
        if (!str_to_u64(message_value(m, FIELD_CONTENT_LENGTH), &m->content_length))
            return FAIL_BAD_FRAMING;
        m->framing = FRAMING_LENGTH;
    }
    return FAIL_NONE;
}

static bool
wants_keep_alive(const struct message *m)
{
    if (message_has_token(m, FIELD_CONNECTION, STR("close")))
        return false;
    return m->minor == 1 || message_has_token(m, FIELD_CONNECTION, STR("keep-alive"));
}

enum fail
h1_head_request(struct message *m, struct str early, struct str last, const struct h1_place *fields, unsigned n_fields)
{
    char *head = copy_head(m, early, last);
    enum fail fail = request_line(m, first_line(str_make(head, early.len + last.len)));

    fill_fields(m, head, fields, n_fields);
    if (fail)
        return fail;
    m->method = method_parse(m->method_text);
    if (m->method == METHOD_OTHER)
        return FAIL_METHOD_UNKNOWN;
    fail = check_host(m);
    if (!fail)
        fail = check_target(m);
    if (!fail)
        fail = check_framing(m);
    if (!fail && !message_mark_hops(m))
        fail = FAIL_BAD_REQUEST;
    m->keep_alive = wants_keep_alive(m);
    /* Qdrant answers any expectation that begins so, and ignores all others. HTTP/1.0 clients cannot wait for an answer. */
    m->expect_continue = m->minor == 1 && starts_nocase(message_value(m, FIELD_EXPECT), STR("100-"));
    return fail;
}

enum fail
h1_head_response(struct message *m, struct str early, struct str last, const struct h1_place *fields, unsigned n_fields)
{
    char *head = copy_head(m, early, last);

    if (status_line(m, first_line(str_make(head, early.len + last.len))))
        return FAIL_UPSTREAM_PROTOCOL;
    fill_fields(m, head, fields, n_fields);
    if (m->status < 100 || m->status > 599 || m->status == 101)
        return FAIL_UPSTREAM_PROTOCOL;
    if (check_framing(m) || !message_mark_hops(m))
        return FAIL_UPSTREAM_PROTOCOL;
    /* RFC 9112 §6.1, RFC 9110 §8.6: a server that frames these wrongly may mean it, and send the body too. */
    if ((m->status < 200 && m->framing != FRAMING_NONE) || (m->status == 204 && m->framing == FRAMING_CHUNKED))
        return FAIL_UPSTREAM_PROTOCOL;
    m->keep_alive = wants_keep_alive(m);
    if (m->status < 200 || m->status == 204 || m->status == 304) {
        m->framing = FRAMING_NONE;
    } else if (m->method == METHOD_HEAD) {
        m->framing = m->framing == FRAMING_LENGTH ? FRAMING_LENGTH : FRAMING_NONE;
    } else if (m->framing == FRAMING_NONE) {
        m->framing = FRAMING_UNTIL_CLOSE;
        m->keep_alive = false;
    }
    return FAIL_NONE;
}
