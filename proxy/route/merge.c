/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /collections and GET /aliases out of several clusters' answers, and the text that says what each cluster said.
 *
 *  1. What a cluster sends is not trusted: an answer of any other shape than Qdrant's list fails the whole list. A list with
 *     a part left out would look like collections that are gone.
 *  2. Only names are copied into the new answer, never structure.
 */
#include "proxy/route/merge.h"

#include <stdlib.h>

#include "proxy/base/arena.h"
#include "proxy/base/json.h"
#include "proxy/base/mem.h"

enum { ERROR_TEXT_MAX = 200 };

struct entry {
    struct str name, collection; /* of GET /collections both are the collection */
};

struct entries {
    struct arena arena;
    struct entry *all;
    size_t n, cap;
};

struct list_shape {
    const char *list, *name, *collection;
};
static const struct list_shape collections_shape = { "collections", "name", "name" };
static const struct list_shape aliases_shape = { "aliases", "alias_name", "collection_name" };

static void
add_entry(struct entries *e, struct str name, struct str collection)
{
    if (e->n == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 64;
        e->all = mem_grow(e->all, e->cap * sizeof(*e->all));
    }
    e->all[e->n++] = (struct entry){ arena_str(&e->arena, name), arena_str(&e->arena, collection) };
}

static bool
add_list(
    struct entries *e, const struct list_shape *shape, struct json list, unsigned part, list_keep_fn *keep, void *arg)
{
    if (json_type(list) != JSON_ARRAY)
        return false;
    for (struct json_iter i = json_iter(list); json_next(&i);) {
        struct json name = json_get(i.value, shape->name), collection = json_get(i.value, shape->collection);

        if (json_type(name) != JSON_STRING || json_type(collection) != JSON_STRING)
            return false;
        if (keep(arg, json_string(collection), part) &&
            (shape == &collections_shape || keep(arg, json_string(name), part)))
            add_entry(e, json_string(name), json_string(collection));
    }
    return true;
}

static bool
add_part(struct entries *e, const struct list_shape *shape, const struct part *p, unsigned part, list_keep_fn *keep,
    void *arg)
{
    struct json_doc *doc;
    bool ok;

    if (p->fail != FAIL_NONE || p->status != 200)
        return false;
    doc = json_parse(p->body, NULL, NULL);
    ok = doc && add_list(e, shape, json_get(json_get(json_root(doc), "result"), shape->list), part, keep, arg);
    json_free(doc);
    return ok;
}

static int
compare_str(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.p, b.p, len) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int
compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = compare_str(x->name, y->name);

    return order ? order : compare_str(x->collection, y->collection);
}

static void
put_entries(struct json_writer *w, const struct list_shape *shape, const struct entries *e)
{
    json_begin_array(w);
    for (size_t i = 0; i < e->n; i++) {
        if (i > 0 && compare_entries(&e->all[i - 1], &e->all[i]) == 0)
            continue;
        json_begin_object(w);
        json_key(w, shape->name);
        json_put_str(w, e->all[i].name);
        if (shape == &aliases_shape) {
            json_key(w, shape->collection);
            json_put_str(w, e->all[i].collection);
        }
        json_end_object(w);
    }
    json_end_array(w);
}

static void
put_answer(struct buf *out, const struct list_shape *shape, const struct entries *e, double seconds)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "result");
    json_begin_object(&w);
    json_key(&w, shape->list);
    put_entries(&w, shape, e);
    json_end_object(&w);
    json_key(&w, "status");
    json_put_text(&w, "ok");
    json_key(&w, "time");
    json_put_double(&w, seconds, 9);
    json_end_object(&w);
}

bool
merge_lists(enum op_id id, const struct part *parts, unsigned n, list_keep_fn *keep, void *arg, double seconds,
    struct buf *out, unsigned *ret_bad)
{
    const struct list_shape *shape = id == OP_LIST_ALIASES ? &aliases_shape : &collections_shape;
    struct entries entries = { .n = 0 };
    unsigned i = 0;

    while (i < n && add_part(&entries, shape, &parts[i], i, keep, arg))
        i++;
    if (i < n) {
        *ret_bad = i;
    } else {
        if (entries.n)
            qsort(entries.all, entries.n, sizeof(*entries.all), compare_entries);
        put_answer(out, shape, &entries, seconds);
    }
    mem_free(entries.all);
    arena_fini(&entries.arena);
    return i == n;
}

/* The error's text, cut where a character ends. */
static void
add_error(struct buf *out, struct str body)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    struct str text = json_string(json_get(json_get(json_root(doc), "status"), "error"));

    if (text.len > ERROR_TEXT_MAX) {
        text.len = ERROR_TEXT_MAX;
        while (text.len && ((unsigned char)text.p[text.len] & 0xc0) == 0x80)
            text.len--;
    }
    if (text.len) {
        buf_putc(out, ' ');
        buf_add(out, text);
    }
    json_free(doc);
}

static void
add_outcome(struct buf *out, const struct part *p)
{
    const struct fail_info *fail = fail_info(p->fail);

    if (p->fail == FAIL_NONE && p->status == 0) {
        buf_add(out, STR("not tried"));
        return;
    }
    buf_put_u64(out, p->fail == FAIL_NONE ? (uint64_t)p->status : fail->status);
    if (p->fail != FAIL_NONE) {
        buf_putc(out, ' ');
        buf_add(out, str_from(fail->code));
    } else if (p->status >= 200 && p->status < 300) {
        buf_add(out, STR(" ok"));
    } else {
        add_error(out, p->body);
    }
}

void
merge_outcomes(const struct part *parts, unsigned n, struct buf *out)
{
    for (unsigned i = 0; i < n; i++) {
        if (i > 0)
            buf_add(out, STR("; "));
        buf_add(out, parts[i].cluster);
        buf_add(out, STR(": "));
        add_outcome(out, &parts[i]);
    }
}
