/* SPDX-License-Identifier: Apache-2.0
 *
 * The instruction takes eight bytes in three cycles, one after another: several gigabytes a second, so that a journal never waits
 * for it. Tables (eight bytes a step, "slicing by eight") are for processors without one.
 */
#include "proxy/base/crc32c.h"

#include <pthread.h>

#include "proxy/base/le.h"

static uint32_t tables[8][256];

static void
make_tables(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint32_t c = i;

        for (unsigned bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0x82f63b78U : c >> 1;
        tables[0][i] = c;
    }
    for (unsigned t = 1; t < 8; t++)
        for (unsigned i = 0; i < 256; i++)
            tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 0xff];
}

uint32_t
crc32c_table(uint32_t before, struct str bytes)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const uint8_t *p = (const uint8_t *)bytes.p;
    uint32_t c = ~before;

    pthread_once(&once, make_tables);
    for (; bytes.len >= 8; bytes.len -= 8, p += 8) {
        uint32_t low = c ^ le32_get(p), high = le32_get(p + 4);

        c = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^
            tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^ tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
    }
    for (; bytes.len; bytes.len--)
        c = c >> 8 ^ tables[0][(c ^ *p++) & 0xff];
    return ~c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
by_instruction(uint32_t before, struct str bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    uint64_t c = ~before;

    for (; bytes.len >= 8; bytes.len -= 8, p += 8)
        c = __builtin_ia32_crc32di(c, le64_get(p));
    for (; bytes.len; bytes.len--)
        c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
    return ~(uint32_t)c;
}

static int
has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#include <sys/auxv.h>

static uint32_t
by_instruction(uint32_t before, struct str bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    uint32_t c = ~before;

    for (; bytes.len >= 8; bytes.len -= 8, p += 8)
        __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(c) : "r"(le64_get(p)));
    for (; bytes.len; bytes.len--)
        __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(c) : "r"((uint32_t)*p++));
    return ~c;
}

static int
has_instruction(void)
{
    return (getauxval(AT_HWCAP) & 1UL << 7) != 0; /* HWCAP_CRC32 */
}
#else
#define by_instruction crc32c_table

static int
has_instruction(void)
{
    return 0;
}
#endif

uint32_t
crc32c(uint32_t before, struct str bytes)
{
    return has_instruction() ? by_instruction(before, bytes) : crc32c_table(before, bytes);
}
