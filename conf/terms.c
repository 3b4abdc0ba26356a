/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/terms.h"

#include <stdio.h>

bool
is_country(struct str s)
{
    return s.len == 2 && country_is_known(s.p);
}

struct str
term_meant(struct arena *arena, struct str wrong)
{
    char code[3] = { 0 };

    if (wrong.len != 2)
        return STR_NONE;
    for (unsigned i = 0; i < 2; i++)
        code[i] = (char)(wrong.p[i] >= 'a' && wrong.p[i] <= 'z' ? wrong.p[i] - ('a' - 'A') : wrong.p[i]);
    if (memcmp(code, "UK", 2) == 0)
        return STR("GB");
    if (country_is_known(code))
        return arena_str(arena, str_make(code, 2));
    return continent_name(continent_of_code(code));
}

/* "eu-central-1" is "aws:eu-central-1" without its vendor; else the nearest in spelling. */
static struct str
meant_region(struct str wrong, struct arena *arena)
{
    static const char *const vendors[] = { "aws", "gcp", "azure" };

    for (unsigned i = 0; i < 3; i++) {
        struct str whole = arena_printf(arena, "%s:" STR_FMT, vendors[i], STR_ARG(wrong));
        struct place place;

        if (place_parse(whole, &place))
            return whole;
    }
    return wrong.len > 5 ? cloud_region_nearest(wrong) : STR_NONE;
}

bool
term_place(const struct scan *s, struct word w, struct place *ret_place)
{
    struct arena arena = { 0 };
    struct str meant;

    if (place_parse(w.text, ret_place) && ret_place->has_point)
        return true;
    meant = term_meant(&arena, w.text);
    if (!is_country(meant))
        meant = meant_region(w.text, &arena);
    scan_error(s, w,
        "\"" STR_FMT
        "\" is not a place: expected a cloud region (aws:eu-central-1), a country (DE) or lat,lon%s" STR_FMT "%s",
        STR_ARG(w.text), meant.len ? "; did you mean " : "", STR_ARG(meant), meant.len ? "?" : "");
    arena_fini(&arena);
    return false;
}

const char *
network_base(struct str wrong, char text[ADDR_TEXT_MAX + 4])
{
    struct str host, length;
    struct cidr net = { .bits = 0 };
    char address[ADDR_TEXT_MAX];
    uint64_t bits;

    if (!str_cut(wrong, '/', &host, &length) || !addr_parse(host, &net.base) || !str_to_u64(length, &bits))
        return "";
    if (bits > (net.base.family == 4 ? 32U : 128U))
        return "";
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = bits > i * 8 ? (unsigned)bits - i * 8 : 0;

        if (keep < 8)
            net.base.bytes[i] &= (uint8_t)(0xff00U >> keep);
    }
    snprintf(text, ADDR_TEXT_MAX + 4, "%s/%u", addr_print(&net.base, -1, address), (unsigned)bits);
    return text;
}

bool
term_network(const struct scan *s, struct word w, struct cidr *ret_net)
{
    char text[ADDR_TEXT_MAX + 4];
    const char *base;

    if (str_find(w.text, '%') < 0 && cidr_parse(w.text, ret_net))
        return true;
    base = network_base(w.text, text);
    if (*base)
        scan_error(s, w, "\"" STR_FMT "\" is not a network: it has bits beyond its length; did you mean %s?",
            STR_ARG(w.text), base);
    else
        scan_error(
            s, w, "\"" STR_FMT "\" is not a network: expected such as 10.0.0.0/8 or 2001:db8::/32", STR_ARG(w.text));
    return false;
}
