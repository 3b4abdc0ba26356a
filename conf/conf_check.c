/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf_check.h"

#include "conf/option_table.h"

enum { TOKEN_MIN = 16 };

/* Both of one type, sizes or durations. */
static const struct pair {
    const char *small, *large, *why;
} pairs[] = {
    { "eject_base", "eject_max", "the shortest time out is longer than the longest" },
    { "replay_bytes", "replay_total", "one request could keep more than all together" },
    { "connect_timeout", "default_timeout", "dialling alone would use up a request's time" },
};

static uint64_t
number(const struct conf *conf, const struct option *o)
{
    uint64_t n;

    memcpy(&n, (const char *)conf + o->offset, sizeof(n));
    return n;
}

/* Told at the value that was given; when both were, at the smaller's. */
static void
tell(const struct conf *conf, struct conf_issues *issues, const struct pair *p, const struct option *small,
    const struct option *large)
{
    const char *at = conf_origin(conf, p->small)->is_given ? p->small : p->large;
    struct arena a = { 0 };
    struct buf text = { 0 };

    buf_printf(&text, STR_FMT "=", STR_ARG(option_env_name(&a, p->small)));
    value_print(small->type, (const char *)conf + small->offset, &text);
    buf_printf(&text, " is more than " STR_FMT "=", STR_ARG(option_env_name(&a, p->large)));
    value_print(large->type, (const char *)conf + large->offset, &text);
    conf_option_issue(issues, true, conf, at, STR_FMT ": %s", STR_ARG(buf_str(&text)), p->why);
    buf_fini(&text);
    arena_fini(&a);
}

static void
check_token(const struct conf *conf, struct conf_issues *issues)
{
    struct str token = conf->admin_token;
    bool is_visible = true;

    for (size_t i = 0; i < token.len; i++)
        is_visible &= token.p[i] > ' ' && token.p[i] < 0x7f;
    if (token.len && (token.len < TOKEN_MIN || !is_visible))
        conf_option_issue(issues, true, conf, "admin_token",
            "expected at least %d visible ASCII characters, such as of openssl rand -hex 32", TOKEN_MIN);
}

void
conf_check(const struct conf *conf, struct conf_issues *issues)
{
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const struct option *small = option_find(pairs[i].small), *large = option_find(pairs[i].large);

        if (number(conf, small) > number(conf, large))
            tell(conf, issues, &pairs[i], small, large);
    }
    check_token(conf, issues);
    if (conf->client_idle <= 10000)
        conf_option_issue(issues, false, conf, "client_idle",
            "some clients send on connections that have been idle for 10 s: keep them longer");
}
