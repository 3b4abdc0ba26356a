/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/hop.h"

struct str
hop_print(const struct hop *hop, struct arena *arena)
{
    return arena_printf(arena, "1 from=" STR_FMT " line=%016llx within=%lld partition=" STR_FMT, STR_ARG(hop->from),
        (unsigned long long)hop->line, (long long)hop->within_ms, STR_ARG(hop->partition));
}

/* "name=value " off the front of `rest`. */
static bool
take(struct str *rest, struct str name, struct str *ret_value)
{
    struct str word, got;

    str_cut(*rest, ' ', &word, rest);
    return str_cut(word, '=', &got, ret_value) && str_eq(got, name);
}

static bool
parse_hex(struct str text, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text.len != 16)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        bool is_letter = c >= 'a' && c <= 'f';

        if (!is_letter && (c < '0' || c > '9'))
            return false;
        number = number << 4 | (uint64_t)(is_letter ? c - 'a' + 10 : c - '0');
    }
    *ret_number = number;
    return true;
}

bool
hop_parse(struct str text, struct hop *ret_hop)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    struct str rest, version, line, within;
    uint64_t ms;
    struct hop hop;

    if (!str_cut(text, ' ', &version, &rest) || !str_eq(version, STR("1")))
        return false;
    if (!take(&rest, STR("from"), &hop.from) || !take(&rest, STR("line"), &line) ||
        !take(&rest, STR("within"), &within))
        return false;
    if (!str_starts(rest, STR("partition=")) || !parse_hex(line, &hop.line) || !str_to_u64(within, &ms) || ms > DAY_MS)
        return false;
    hop.within_ms = (int64_t)ms;
    hop.partition = str_skip(rest, 10);
    *ret_hop = hop;
    return hop.partition.len > 0;
}
