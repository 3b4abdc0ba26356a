/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/h1_check.h"

static bool
is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~%!$&'()*+,;=", c));
}

static bool
is_port(struct str s)
{
    uint64_t port;

    return s.len == 0 || (s.len <= 5 && str_to_u64(s, &port) && port <= 65535);
}

/* host [":" port], RFC 9110 §7.2; IPv6 in brackets. */
static bool
is_authority(struct str s)
{
    struct str host, port;

    if (s.len == 0 || s.len > 300)
        return false;
    if (s.p[0] == '[') {
        int close = str_find(s, ']');

        if (close < 3)
            return false;
        for (int i = 1; i < close; i++) {
            if (!strchr("0123456789abcdefABCDEF:.", s.p[i]))
                return false;
        }
        port = str_skip(s, (size_t)close + 1);
        return port.len == 0 || (port.p[0] == ':' && is_port(str_skip(port, 1)));
    }
    str_cut(s, ':', &host, &port);
    for (size_t i = 0; i < host.len; i++) {
        if (!is_host_byte(host.p[i]))
            return false;
    }
    return host.len > 0 && is_port(port);
}

static enum fail
check_host(struct message *m)
{
    unsigned n = message_count(m, FIELD_HOST);

    m->host = message_value(m, FIELD_HOST);
    if (n > 1 || (n == 0 && m->minor == 1))
        return FAIL_BAD_HOST;
    return n == 0 || m->host.len == 0 || is_authority(m->host) ? FAIL_NONE : FAIL_BAD_HOST;
}

static bool
has_bad_byte(struct str target)
{
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.p[i];

        if (c <= 0x20 || c >= 0x7f || c == '#')
            return true;
    }
    return false;
}

/* Absolute-form becomes origin-form and its authority the host (RFC 9112 §3.2.2). */
static enum fail
check_target(struct message *m)
{
    struct str rest, authority;
    int slash;

    if (m->target.len == 0 || has_bad_byte(m->target))
        return FAIL_BAD_TARGET;
    if (m->target.p[0] == '/')
        return FAIL_NONE;
    if (str_eq(m->target, STR("*")))
        return m->method == METHOD_OPTIONS ? FAIL_NONE : FAIL_BAD_TARGET;
    if (m->target.len > 7 && str_eq_nocase(str_make(m->target.p, 7), STR("http://")))
        rest = str_skip(m->target, 7);
    else if (m->target.len > 8 && str_eq_nocase(str_make(m->target.p, 8), STR("https://")))
        rest = str_skip(m->target, 8);
    else
        return FAIL_BAD_TARGET;
    slash = str_find(rest, '/');
    authority = slash < 0 ? rest : str_make(rest.p, (size_t)slash);
    if (!is_authority(authority))
        return FAIL_BAD_HOST;
    m->host = authority;
    m->target = slash < 0 ? STR("/") : str_skip(rest, (size_t)slash);
    return FAIL_NONE;
}

static enum fail
check_framing(struct message *m)
{
    unsigned n_coding = message_count(m, FIELD_TRANSFER_ENCODING);
    unsigned n_length = message_count(m, FIELD_CONTENT_LENGTH);

    if (n_coding && n_length)
        return FAIL_BAD_FRAMING;
    if (n_coding) {
        if (n_coding > 1 || !str_eq_nocase(message_value(m, FIELD_TRANSFER_ENCODING), STR("chunked")))
            return FAIL_CODING_UNSUPPORTED;
        if (m->minor == 0)
            return FAIL_BAD_FRAMING;
        m->framing = FRAMING_CHUNKED;
    } else if (n_length) {
        if (n_length > 1 || !str_to_u64(message_value(m, FIELD_CONTENT_LENGTH), &m->content_length))
            return FAIL_BAD_FRAMING;
        m->framing = FRAMING_LENGTH;
    } else {
        m->framing = FRAMING_NONE;
    }
    return FAIL_NONE;
}

static void
decide_keep_alive(struct message *m)
{
    if (message_has_token(m, FIELD_CONNECTION, STR("close")))
        m->keep_alive = false;
    else
        m->keep_alive = m->minor == 1 || message_has_token(m, FIELD_CONNECTION, STR("keep-alive"));
}

enum fail
h1_check_request(struct message *m)
{
    struct str expect = message_value(m, FIELD_EXPECT);
    enum fail fail;

    m->method = method_parse(m->method_text);
    if (m->method == METHOD_OTHER)
        return FAIL_METHOD_UNKNOWN;
    fail = check_framing(m);
    if (fail == FAIL_NONE)
        fail = check_host(m);
    if (fail == FAIL_NONE)
        fail = check_target(m);
    decide_keep_alive(m);
    /* Qdrant answers any expectation that begins so. */
    m->expect_continue = expect.len >= 4 && str_eq_nocase(str_make(expect.p, 4), STR("100-"));
    return fail;
}

enum fail
h1_check_response(struct message *m, enum method answers)
{
    enum fail fail = check_framing(m);

    if (fail != FAIL_NONE || m->status < 200 || m->status > 599)
        return FAIL_UPSTREAM_PROTOCOL;
    decide_keep_alive(m);
    if (answers == METHOD_HEAD || m->status == 204 || m->status == 304) {
        /* A length here speaks of a body that does not come: kept as information for HEAD only. */
        if (m->framing == FRAMING_CHUNKED || answers != METHOD_HEAD)
            m->framing = FRAMING_NONE;
    } else if (m->framing == FRAMING_NONE) {
        m->framing = FRAMING_UNTIL_CLOSE;
    }
    return FAIL_NONE;
}
