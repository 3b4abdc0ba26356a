/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/http/trace.h"

#include <string.h>

/* 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 */
enum { ID_AT = 3, PARENT_AT = 36, FLAGS_AT = 53 };

static bool
is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    }
    return true;
}

static bool
is_zero(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] != '0')
            return false;
    }
    return true;
}

static bool
has_form(struct str s)
{
    if (s.len < TRACE_PARENT_BYTES || s.p[ID_AT - 1] != '-' || s.p[PARENT_AT - 1] != '-' || s.p[FLAGS_AT - 1] != '-')
        return false;
    if (!is_hex(str_make(s.p, 2)) || str_starts(s, STR("ff")))
        return false;
    if (s.len == TRACE_PARENT_BYTES)
        return true;
    return !str_starts(s, STR("00")) && s.p[TRACE_PARENT_BYTES] == '-';
}

bool
trace_parse(struct str value, struct trace *ret_trace)
{
    struct trace t;

    *ret_trace = (struct trace){ .id = STR_NONE };
    if (!has_form(value))
        return false;
    t.id = str_make(value.p + ID_AT, TRACE_ID_BYTES);
    t.parent = str_make(value.p + PARENT_AT, TRACE_SPAN_BYTES);
    if (!is_hex(t.id) || !is_hex(t.parent) || !is_hex(str_make(value.p + FLAGS_AT, 2)))
        return false;
    if (is_zero(t.id) || is_zero(t.parent))
        return false;
    *ret_trace = t;
    return true;
}

bool
trace_of(const struct message *request, struct trace *ret_trace)
{
    *ret_trace = (struct trace){ .id = STR_NONE };
    return message_count(request, FIELD_TRACEPARENT) == 1 &&
           trace_parse(message_value(request, FIELD_TRACEPARENT), ret_trace);
}

static void
put_hex(char *at, uint64_t value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        at[i] = "0123456789abcdef"[value & 15];
}

void
trace_make(const uint64_t random[3], char *ret_text)
{
    memcpy(ret_text, "00-", 3);
    put_hex(ret_text + ID_AT, random[0]);
    put_hex(ret_text + ID_AT + 16, random[1] ? random[1] : 1); /* zeros are not valid */
    ret_text[PARENT_AT - 1] = '-';
    put_hex(ret_text + PARENT_AT, random[2] ? random[2] : 1);
    memcpy(ret_text + FLAGS_AT - 1, "-01", 3);
}
