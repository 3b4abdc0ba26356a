/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/value.h"

#include <math.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53: beyond, a double no longer holds every whole number */

const char value_out_of_range[] = "out of range";

/* Of several names for a factor the printer takes the first. */
struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit sizes[] = { { "", 1 }, { "B", 1 }, { "KiB", 1 << 10 }, { "MiB", 1 << 20 }, { "GiB", 1 << 30 },
    { "TiB", UINT64_C(1) << 40 }, { "KB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 }, { NULL, 0 } };
static const struct unit times[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "m", 60000 }, { "h", 3600000 },
    { "d", 86400000 }, { NULL, 0 } };

static size_t
number_len(struct str s)
{
    size_t n = 0;

    while (n < s.len && ((s.p[n] >= '0' && s.p[n] <= '9') || s.p[n] == '.'))
        n++;
    return n;
}

static bool
parse_with_unit(struct str text, const struct unit *units, double *ret_value)
{
    size_t n = number_len(text);
    struct str unit = str_trim(str_skip(text, n));
    double number;

    if (!str_to_double(str_make(text.p, n), &number))
        return false;
    if (number == 0 && unit.len == 0) {
        *ret_value = 0;
        return true;
    }
    for (; units->name; units++) {
        double value = number * (double)units->factor;

        if (!str_eq(unit, str_from(units->name)))
            continue;
        if (value != floor(value) || value > WHOLE_MAX)
            return false;
        *ret_value = value;
        return true;
    }
    return false;
}

static bool
parse_flag(struct str text, bool *ret_value)
{
    static const char *const on[] = { "on", "true", "yes", "1" }, *const off[] = { "off", "false", "no", "0" };

    for (unsigned i = 0; i < 4; i++) {
        bool is_on = str_eq_nocase(text, str_from(on[i]));

        if (is_on || str_eq_nocase(text, str_from(off[i]))) {
            *ret_value = is_on;
            return true;
        }
    }
    return false;
}

/* A number in the type's own unit: bytes, milliseconds, percent. */
static const char *
parse_number(enum value_type type, struct str text, double *ret_number)
{
    uint64_t n = 0;

    switch (type) {
    case VALUE_count:
        if (!str_to_u64(text, &n) || (double)n > WHOLE_MAX)
            return "expected a whole number";
        *ret_number = (double)n;
        return NULL;
    case VALUE_size:
        return parse_with_unit(text, sizes, ret_number) ? NULL : "expected a size such as 64KiB, 1MiB or 1048576";
    case VALUE_msec:
        return parse_with_unit(text, times, ret_number) ? NULL : "expected a duration such as 250ms, 2s, 5min or 0";
    case VALUE_percent:
        if (str_ends(text, STR("%")))
            text.len--;
        return str_to_double(str_trim(text), ret_number) ? NULL : "expected a percentage such as 20";
    default:
        return "not a number";
    }
}

static void
store(enum value_type type, double number, void *field)
{
    if (type == VALUE_percent)
        *(conf_percent *)field = number;
    else if (type == VALUE_msec)
        *(conf_msec *)field = (int64_t)number;
    else
        *(uint64_t *)field = (uint64_t)number;
}

const char *
value_parse(enum value_type type, struct str text, const char *min, const char *max, void *field)
{
    double number, low, high;
    const char *error;

    if (type == VALUE_text) {
        *(conf_text *)field = text;
        return NULL;
    }
    if (type == VALUE_flag)
        return parse_flag(text, field) ? NULL : "expected on or off";
    error = parse_number(type, text, &number);
    if (error)
        return error;
    if ((*min && !parse_number(type, str_from(min), &low) && number < low) ||
        (*max && !parse_number(type, str_from(max), &high) && number > high))
        return value_out_of_range;
    store(type, number, field);
    return NULL;
}

/* In the largest unit that divides it. */
static void
print_with_unit(uint64_t value, const struct unit *units, struct buf *out)
{
    const struct unit *best = units;

    if (value == 0) {
        buf_putc(out, '0');
        return;
    }
    for (; units->name; units++) {
        if (value % units->factor == 0 && units->factor > best->factor)
            best = units;
    }
    buf_printf(out, "%llu%s", (unsigned long long)(value / best->factor), best->name);
}

/* With as few digits as bring the same number back. */
static void
print_percent(double value, struct buf *out)
{
    size_t start = buf_len(out);
    double again;

    buf_printf(out, "%.15g", value);
    if (str_to_double(str_skip(buf_str(out), start), &again) && again == value)
        return;
    buf_truncate(out, start);
    buf_printf(out, "%.17g", value);
}

void
value_print(enum value_type type, const void *field, struct buf *out)
{
    switch (type) {
    case VALUE_text:
        buf_add(out, *(const conf_text *)field);
        return;
    case VALUE_flag:
        buf_add(out, *(const conf_flag *)field ? STR("on") : STR("off"));
        return;
    case VALUE_count:
        buf_put_u64(out, *(const conf_count *)field);
        return;
    case VALUE_size:
        print_with_unit(*(const conf_size *)field, sizes, out);
        return;
    case VALUE_msec:
        print_with_unit((uint64_t) * (const conf_msec *)field, times, out);
        return;
    case VALUE_percent:
        print_percent(*(const conf_percent *)field, out);
        return;
    }
}

const char *
value_type_name(enum value_type type)
{
    static const char *const names[] = { "text", "on/off", "number", "size", "duration", "percent" };

    return names[type];
}
