/* SPDX-License-Identifier: Apache-2.0
 *
 * Two dangers where no token is set: other pages in a local user's browser may send requests here (but not read the answers),
 * and a name that is made to point to 127.0.0.1 lets them read as well. The first is met by a content type that needs the
 * consent of this listener, which never gives it; the second by looking at the name that was asked for.
 */
#include "proxy/admin/access.h"

#include "proxy/base/addr.h"
#include "proxy/base/digest.h"

/* A browser adds no Authorization by itself: whoever has the token is no page that was led here. */
static bool
has_token(struct str token, const struct message *request)
{
    struct str scheme, given;
    struct digest want, got;

    if (message_count(request, FIELD_AUTHORIZATION) != 1)
        return false;
    if (!str_cut(message_value(request, FIELD_AUTHORIZATION), ' ', &scheme, &given))
        return false;
    want = digest_sha256(token);
    got = digest_sha256(str_trim(given));
    return str_eq_nocase(scheme, STR("bearer")) && digest_equal(&want, &got);
}

static bool
is_own_name(struct str host)
{
    struct addr addr;
    struct str name, port;
    uint16_t number;

    if (addr_parse_port(host, &addr, &number))
        return true;
    str_cut(host, ':', &name, &port);
    return str_eq_nocase(name, STR("localhost"));
}

static bool
is_own_origin(const struct message *request)
{
    const struct field *origin = message_find(request, FIELD_ORIGIN);
    struct str host = request->host;

    if (!origin)
        return true;
    /* https when something that ends TLS stands before it. */
    return (str_starts(origin->value, STR("http://")) && str_eq_nocase(str_skip(origin->value, 7), host)) ||
           (str_starts(origin->value, STR("https://")) && str_eq_nocase(str_skip(origin->value, 8), host));
}

static bool
is_json(const struct message *request)
{
    struct str type, parameters;

    str_cut(message_value(request, FIELD_CONTENT_TYPE), ';', &type, &parameters);
    return str_eq_nocase(str_trim(type), STR("application/json"));
}

enum access_verdict
access_decide(enum access access, const struct access_rules *rules, const struct message *request)
{
    if (access == ACCESS_OPEN)
        return ACCESS_GRANTED;
    if (rules->token.len) {
        if (!has_token(rules->token, request))
            return ACCESS_NO_TOKEN;
    } else if (!rules->is_private) {
        return ACCESS_LOCKED;
    } else if (!is_own_name(request->host)) {
        return ACCESS_BAD_HOST;
    }
    if (access == ACCESS_WRITE && !is_own_origin(request))
        return ACCESS_BAD_ORIGIN;
    if (access == ACCESS_WRITE && !is_json(request))
        return ACCESS_BAD_CONTENT;
    return ACCESS_GRANTED;
}

int
access_status(enum access_verdict verdict)
{
    static const int statuses[ACCESS_VERDICTS] = { 200, 401, 403, 403, 403, 415 };

    return statuses[verdict];
}

const char *
access_sentence(enum access_verdict verdict)
{
    static const char *const sentences[ACCESS_VERDICTS] = {
        [ACCESS_GRANTED] = "",
        [ACCESS_NO_TOKEN] = "the token of SEXTANT_ADMIN_TOKEN is needed: Authorization: Bearer TOKEN",
        [ACCESS_LOCKED] = "no SEXTANT_ADMIN_TOKEN is set, and more than this machine reaches the admin listener",
        [ACCESS_BAD_HOST] = "without a token, Host must be an IP address or localhost",
        [ACCESS_BAD_ORIGIN] = "orders are not taken from pages of another origin",
        [ACCESS_BAD_CONTENT] = "orders need Content-Type: application/json",
    };
    return sentences[verdict];
}
