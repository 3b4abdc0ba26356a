/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/base/put.h"

static unsigned
count_digits(uint64_t value)
{
    unsigned n = 1;

    for (; value >= 10000; value /= 10000)
        n += 4;
    return n + (value >= 10) + (value >= 100) + (value >= 1000);
}

/* Two digits at a time, the last ones first. */
char *
put_u64(char *at, uint64_t value)
{
    static const char pairs[] =
        "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
        "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";
    char *end = at + count_digits(value), *next = end;

    for (; value >= 100; value /= 100) {
        next -= 2;
        memcpy(next, pairs + value % 100 * 2, 2);
    }
    if (value >= 10)
        memcpy(at, pairs + value * 2, 2);
    else
        *at = (char)('0' + value);
    return end;
}
