/* SPDX-License-Identifier: Apache-2.0
 *
 * libmaxminddb reads languages and description with the function that follows pointers without end (GHSA-hj94-g986-h9r7), skips
 * unknown values by recursion, and before 1.12 forgets memory when it refuses what it found. So what passes here has the exact
 * form that it expects, each known key once, and no level more than needed: then its opening fails only for want of memory.
 */
#include "geoip/mmdb_metadata.h"

#include "geoip/mmdb_value.h"

#define MARKER "\xab\xcd\xefMaxMind.com"
enum { STEPS_MAX = 10000, LIST_MAX = 1000 };

enum key { MAJOR, MINOR, EPOCH, TYPE, DESCRIPTION, LANGUAGES, NODE_COUNT, RECORD_SIZE, IP_VERSION, KEYS };

static const struct {
    struct str name;
    enum mmdb_type type;
} keys[KEYS] = {
    [MAJOR] = { { "binary_format_major_version", 27 }, MMDB_UINT16 },
    [MINOR] = { { "binary_format_minor_version", 27 }, MMDB_UINT16 },
    [EPOCH] = { { "build_epoch", 11 }, MMDB_UINT64 },
    [TYPE] = { { "database_type", 13 }, MMDB_UTF8 },
    [DESCRIPTION] = { { "description", 11 }, MMDB_MAP },
    [LANGUAGES] = { { "languages", 9 }, MMDB_ARRAY },
    [NODE_COUNT] = { { "node_count", 10 }, MMDB_UINT32 },
    [RECORD_SIZE] = { { "record_size", 11 }, MMDB_UINT16 },
    [IP_VERSION] = { { "ip_version", 10 }, MMDB_UINT16 },
};

bool
mmdb_metadata_find(const uint8_t *tail, size_t size, size_t *ret_offset)
{
    const size_t marker = sizeof(MARKER) - 1;

    for (size_t at = size < marker ? 0 : size - marker + 1; at-- > 0;) {
        if (memcmp(tail + at, MARKER, marker) == 0) {
            *ret_offset = at + marker;
            return true;
        }
    }
    return false;
}

static enum key
key_of(struct str name)
{
    unsigned k = 0;

    while (k < KEYS && !str_eq(keys[k].name, name))
        k++;
    return (enum key)k;
}

/* Nothing but text in this map or array? */
static bool
is_all_text(struct mmdb_reader *r, const struct mmdb_value *list)
{
    uint64_t n = list->type == MMDB_MAP ? (uint64_t)list->size * 2 : list->size;
    size_t at = list->at;

    if (n > LIST_MAX)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        struct mmdb_value v;

        if (!mmdb_read_through(r, at, &v) || v.type != MMDB_UTF8)
            return false;
        at = v.after;
    }
    return true;
}

static bool
take(struct mmdb_reader *r, enum key key, const struct mmdb_value *v, uint64_t numbers[KEYS])
{
    if (v->type != keys[key].type)
        return false;
    if (key == DESCRIPTION || key == LANGUAGES)
        return is_all_text(r, v);
    return key == TYPE || mmdb_unsigned(r, v, &numbers[key]);
}

static bool
read_map(struct mmdb_reader *r, uint64_t numbers[KEYS], bool seen[KEYS])
{
    struct mmdb_value map, name, v;
    size_t at;

    if (!mmdb_read(r, 0, &map) || map.type != MMDB_MAP)
        return false;
    at = map.at;
    for (uint32_t i = 0; i < map.size; i++) {
        enum key key;

        if (!mmdb_read_through(r, at, &name) || name.type != MMDB_UTF8 || !mmdb_read_through(r, name.after, &v) ||
            !mmdb_skip(r, name.after, &at))
            return false;
        key = key_of(mmdb_text(r, &name));
        if (key == KEYS)
            continue;
        if (seen[key] || !take(r, key, &v, numbers))
            return false;
        seen[key] = true;
    }
    return true;
}

const char *
mmdb_metadata_read(const uint8_t *data, size_t size, struct mmdb_metadata *ret_metadata)
{
    struct mmdb_reader r = { data, size, STEPS_MAX };
    uint64_t numbers[KEYS] = { 0 };
    bool seen[KEYS] = { false };

    if (!read_map(&r, numbers, seen))
        return "its metadata is damaged";
    for (unsigned k = 0; k < KEYS; k++) {
        if (!seen[k])
            return "its metadata is incomplete";
    }
    if (numbers[MAJOR] != 2)
        return "it is of an unknown format version";
    if (numbers[EPOCH] == 0 || numbers[EPOCH] > INT64_MAX)
        return "its build time makes no sense";
    if (numbers[RECORD_SIZE] != 24 && numbers[RECORD_SIZE] != 28 && numbers[RECORD_SIZE] != 32)
        return "its record size is unknown";
    if (numbers[IP_VERSION] != 4 && numbers[IP_VERSION] != 6)
        return "its IP version is unknown";
    if (numbers[NODE_COUNT] == 0)
        return "its search tree is empty";
    ret_metadata->node_count = (uint32_t)numbers[NODE_COUNT];
    ret_metadata->record_size = (unsigned)numbers[RECORD_SIZE];
    ret_metadata->ip_version = (unsigned)numbers[IP_VERSION];
    ret_metadata->tree_size = numbers[NODE_COUNT] * (numbers[RECORD_SIZE] / 4);
    return NULL;
}
