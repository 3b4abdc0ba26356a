/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/incarnations.h"

#include <string.h>

#include "proxy/base/mem.h"
#include "proxy/base/varint.h"

#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

enum { INC_MAX = 64, DELETED_MAX = 32 };

typedef char inc_text[INC_MAX + 1];

struct named {
    char *name;
    enum inc_state state;
    inc_text inc;
    inc_text deleted[DELETED_MAX]; /* the newest last */
    unsigned n_deleted;
    UT_hash_handle hh;
};

struct incarnations {
    struct named *all;
};

struct incarnations *
incs_new(void)
{
    return MEM_NEW(struct incarnations);
}

void
incs_free(struct incarnations *incs)
{
    struct named *n, *next;

    if (!incs)
        return;
    HASH_ITER (hh, incs->all, n, next) {
        HASH_DEL(incs->all, n);
        mem_free(n->name);
        mem_free(n);
    }
    mem_free(incs);
}

static struct named *
find(const struct incarnations *incs, struct str name)
{
    struct named *n;

    HASH_FIND(hh, incs->all, name.p, name.len, n);
    return n;
}

static struct named *
get(struct incarnations *incs, struct str name)
{
    struct named *n = find(incs, name);

    if (n)
        return n;
    n = MEM_NEW(struct named);
    n->name = mem_dup(name.p, name.len);
    HASH_ADD_KEYPTR(hh, incs->all, n->name, name.len, n);
    return n;
}

static void
copy_inc(inc_text to, struct str inc)
{
    size_t len = inc.len < INC_MAX ? inc.len : INC_MAX;

    if (len)
        memmove(to, inc.p, len);
    to[len] = '\0';
}

enum inc_state
incs_state(const struct incarnations *incs, struct str name, struct str *ret_inc)
{
    const struct named *n = find(incs, name);

    *ret_inc = n ? str_from(n->inc) : STR_NONE;
    return n ? n->state : INC_NONE;
}

void
incs_set(struct incarnations *incs, struct str name, struct str inc, enum inc_state state)
{
    struct named *n = get(incs, name);

    copy_inc(n->inc, inc);
    n->state = state;
}

static int
deleted_at(const struct named *n, struct str inc)
{
    for (unsigned i = 0; n && i < n->n_deleted; i++) {
        if (str_eq(str_from(n->deleted[i]), inc))
            return (int)i;
    }
    return -1;
}

static void
revive(struct named *n, struct str inc)
{
    int at = deleted_at(n, inc);

    if (at < 0)
        return;
    n->n_deleted--;
    memmove(n->deleted[at], n->deleted[at + 1], (n->n_deleted - (unsigned)at) * sizeof(n->deleted[0]));
}

void
incs_delete(struct incarnations *incs, struct str name, struct str inc)
{
    struct named *n = get(incs, name);

    if (inc.len == 0 || inc.len > INC_MAX || deleted_at(n, inc) >= 0)
        return;
    if (n->n_deleted == DELETED_MAX)
        revive(n, str_from(n->deleted[0]));
    copy_inc(n->deleted[n->n_deleted++], inc);
}

bool
incs_is_deleted(const struct incarnations *incs, struct str name, struct str inc)
{
    return inc.len && deleted_at(find(incs, name), inc) >= 0;
}

void
incs_saw(struct incarnations *incs, struct str name, bool is_there, struct str inc)
{
    struct named *n = get(incs, name);

    if (is_there && inc.len && (n->state == INC_NONE || str_eq(str_from(n->inc), inc))) {
        copy_inc(n->inc, inc);
        n->state = INC_LIVE;
        revive(n, inc);
    } else if (!is_there && n->state == INC_UNSURE) {
        n->state = INC_GONE;
    }
}

/* --- as bytes ---------------------------------------------------------------------------------------------------- */

void
incs_encode(const struct incarnations *incs, struct buf *out)
{
    const struct named *n, *next;

    varint_put(out, HASH_COUNT(incs->all));
    HASH_ITER (hh, incs->all, n, next) {
        varint_put_str(out, str_make(n->name, n->hh.keylen));
        varint_put(out, n->state);
        varint_put_str(out, str_from(n->inc));
        varint_put(out, n->n_deleted);
        for (unsigned i = 0; i < n->n_deleted; i++)
            varint_put_str(out, str_from(n->deleted[i]));
    }
}

bool
incs_decode(struct incarnations *incs, struct str *io)
{
    uint64_t n, state, deleted;
    struct str name, inc;

    if (!varint_take(io, io->len, &n))
        return false;
    for (uint64_t i = 0; i < n; i++) {
        if (!varint_take_str(io, &name) || !varint_take(io, INC_UNSURE, &state) || !varint_take_str(io, &inc) ||
            inc.len > INC_MAX || !varint_take(io, DELETED_MAX, &deleted))
            return false;
        incs_set(incs, name, inc, (enum inc_state)state);
        for (uint64_t k = 0; k < deleted; k++) {
            if (!varint_take_str(io, &inc) || inc.len > INC_MAX)
                return false;
            incs_delete(incs, name, inc);
        }
    }
    return true;
}
