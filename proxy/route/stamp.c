/* SPDX-License-Identifier: Apache-2.0
 *
 *   "1" base64url(journal 8, start 4, data 4, LSN 6, CRC-32C of all before 4)      numbers little-endian
 */
#include "proxy/route/stamp.h"

#include "proxy/base/crc32c.h"
#include "proxy/base/digest.h"
#include "proxy/base/hash.h"
#include "proxy/base/le.h"

enum { VERSION = '1', LSN_AT = 16, SUM_AT = 22, BYTES = 26, LSN_BITS = 48 };

uint64_t
stamp_journal(struct str uuid)
{
    struct digest d = digest_sha256(uuid);

    return le64_get(d.bytes);
}

uint32_t
stamp_data(struct str home, struct str partition)
{
    static const struct hash_key home_key = { 1, 'h' }, partition_key = { 1, 'p' };

    return (uint32_t)(hash_keyed(&home_key, home) ^ hash_keyed(&partition_key, partition));
}

static uint32_t
sum_of(const char bytes[BYTES])
{
    return crc32c(VERSION, str_make(bytes, SUM_AT));
}

void
stamp_print(const struct stamp *stamp, char ret_text[STAMP_LEN])
{
    char bytes[BYTES + 2]; /* the LSN is written with two bytes too many */

    le64_put(bytes, stamp->journal);
    le32_put(bytes + 8, stamp->start);
    le32_put(bytes + 12, stamp->data);
    le64_put(bytes + LSN_AT, stamp->lsn);
    le32_put(bytes + SUM_AT, sum_of(bytes));
    ret_text[0] = VERSION;
    base64_encode(str_make(bytes, BYTES), ret_text + 1);
}

bool
stamp_parse(struct str text, struct stamp *ret_stamp)
{
    char bytes[STAMP_LEN];
    size_t n;

    if (text.len != STAMP_LEN || text.p[0] != VERSION || !base64_decode(str_skip(text, 1), bytes, &n) || n != BYTES ||
        le32_get(bytes + SUM_AT) != sum_of(bytes))
        return false;
    *ret_stamp = (struct stamp){
        .journal = le64_get(bytes),
        .start = le32_get(bytes + 8),
        .data = le32_get(bytes + 12),
        .lsn = le64_get(bytes + LSN_AT) & ((UINT64_C(1) << LSN_BITS) - 1),
    };
    return true;
}

bool
stamp_take(struct str *io, struct stamp *ret_stamp)
{
    struct str first;

    str_cut(*io, ',', &first, io);
    return stamp_parse(str_trim(first), ret_stamp);
}
