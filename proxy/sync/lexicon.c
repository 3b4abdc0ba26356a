/* SPDX-License-Identifier: Apache-2.0
 *
 * Encoded: how many names there are, then of each, from 1 on, whether it is current, and the name (base/varint.h).
 */
#include "proxy/sync/lexicon.h"

#include "proxy/base/mem.h"
#include "proxy/base/varint.h"

#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

struct entry {
    struct str name;
    uint32_t number;
    bool is_current;
    UT_hash_handle hh;
};

struct lexicon {
    struct entry **entries; /* by number; [0] is NULL */
    uint32_t n, room;
    struct entry *current; /* by name */
};

struct lexicon *
lexicon_new(void)
{
    struct lexicon *x = MEM_NEW(struct lexicon);

    x->n = 1;
    return x;
}

void
lexicon_free(struct lexicon *x)
{
    if (!x)
        return;
    HASH_CLEAR(hh, x->current);
    for (uint32_t i = 1; i < x->n; i++) {
        mem_free((void *)(uintptr_t)x->entries[i]->name.p);
        mem_free(x->entries[i]);
    }
    mem_free(x->entries);
    mem_free(x);
}

static struct entry *
find(const struct lexicon *x, struct str name)
{
    struct entry *entry;

    HASH_FIND(hh, x->current, name.p, name.len, entry);
    return entry;
}

static struct entry *
add(struct lexicon *x, struct str name, bool is_current)
{
    struct entry *entry = MEM_NEW(struct entry);

    if (x->n >= x->room) {
        x->room = x->room ? x->room * 2 : 16;
        x->entries = mem_grow(x->entries, x->room * sizeof(struct entry *));
        x->entries[0] = NULL;
    }
    entry->name = str_make(mem_dup(name.p, name.len), name.len);
    entry->number = x->n++;
    entry->is_current = is_current;
    x->entries[entry->number] = entry;
    if (is_current)
        HASH_ADD_KEYPTR(hh, x->current, entry->name.p, entry->name.len, entry);
    return entry;
}

uint32_t
lexicon_number(struct lexicon *x, struct str name)
{
    struct entry *entry;

    if (name.len == 0)
        return 0;
    entry = find(x, name);
    return entry ? entry->number : add(x, name, true)->number;
}

struct str
lexicon_name(const struct lexicon *x, uint32_t number)
{
    return number > 0 && number < x->n ? x->entries[number]->name : STR_NONE;
}

void
lexicon_forget(struct lexicon *x, struct str name)
{
    struct entry *entry = name.len ? find(x, name) : NULL;

    if (!entry)
        return;
    HASH_DEL(x->current, entry);
    entry->is_current = false;
}

bool
lexicon_is_current(const struct lexicon *x, uint32_t number)
{
    return number > 0 && number < x->n && x->entries[number]->is_current;
}

uint32_t
lexicon_count(const struct lexicon *x)
{
    return x->n;
}

/* --- as bytes ---------------------------------------------------------------------------------------------------- */

void
lexicon_encode(const struct lexicon *x, struct buf *out)
{
    varint_put(out, x->n - 1);
    for (uint32_t i = 1; i < x->n; i++) {
        varint_put(out, x->entries[i]->is_current);
        varint_put_str(out, x->entries[i]->name);
    }
}

static bool
take_entry(struct lexicon *x, struct str *in)
{
    uint64_t is_current;
    struct str name;

    if (!varint_take(in, 1, &is_current) || !varint_take_str(in, &name) || name.len == 0)
        return false;
    if (is_current && find(x, name))
        return false;
    add(x, name, is_current);
    return true;
}

bool
lexicon_decode(struct lexicon *x, struct str *in)
{
    uint64_t n;

    if (!varint_take(in, UINT32_MAX - 1, &n))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!take_entry(x, in))
            return false;
    }
    return true;
}
