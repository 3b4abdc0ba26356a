/* SPDX-License-Identifier: Apache-2.0
 *
 * What comes from clusters is not trusted: whatever is not the expected shape makes its part bad, and only names are
 * written on.
 */
#include "proxy/route/merge.h"

#include <stdlib.h>

#include "proxy/base/json.h"
#include "proxy/base/mem.h"

/* --- lists ------------------------------------------------------------------------------------------------------- */

struct item {
    struct str name;       /* of the collection, or the alias */
    struct str collection; /* aliases only */
};

struct list {
    struct item *items;
    unsigned n, cap;
};

static void
add_item(struct list *l, struct item item)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->items = mem_grow(l->items, l->cap * sizeof(*l->items));
    }
    l->items[l->n++] = item;
}

static int
compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
    int order = len ? memcmp(x->name.p, y->name.p, len) : 0;

    return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static bool
take_part(struct list *l, bool is_aliases, struct json root, unsigned part, list_keep_fn *keep, void *arg)
{
    struct json array = json_get(json_get(root, "result"), is_aliases ? "aliases" : "collections");

    if (json_type(array) != JSON_ARRAY)
        return false;
    for (struct json_iter i = json_iter(array); json_next(&i);) {
        struct item item = { json_string(json_get(i.value, is_aliases ? "alias_name" : "name")),
            json_string(json_get(i.value, "collection_name")) };

        if (item.name.len == 0 || (is_aliases && item.collection.len == 0))
            return false;
        if (keep(arg, item.name, part) && (!is_aliases || keep(arg, item.collection, part)))
            add_item(l, item);
    }
    return true;
}

static void
write_list(const struct list *l, bool is_aliases, double seconds, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "result");
    json_begin_object(&w);
    json_key(&w, is_aliases ? "aliases" : "collections");
    json_begin_array(&w);
    for (unsigned i = 0; i < l->n; i++) {
        if (i && compare_items(&l->items[i - 1], &l->items[i]) == 0)
            continue;
        json_begin_object(&w);
        json_key(&w, is_aliases ? "alias_name" : "name");
        json_put_str(&w, l->items[i].name);
        if (is_aliases) {
            json_key(&w, "collection_name");
            json_put_str(&w, l->items[i].collection);
        }
        json_end_object(&w);
    }
    json_end_array(&w);
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
    struct json_doc **docs = mem_array(n, sizeof(struct json_doc *));
    struct list list = { NULL, 0, 0 };
    bool is_aliases = id == OP_LIST_ALIASES, ok = true;

    for (unsigned i = 0; i < n && ok; i++) {
        ok = parts[i].fail == FAIL_NONE && parts[i].status == 200;
        if (ok) {
            docs[i] = json_parse(parts[i].body, NULL, NULL);
            ok = docs[i] && take_part(&list, is_aliases, json_root(docs[i]), i, keep, arg);
        }
        if (!ok)
            *ret_bad = i;
    }
    if (ok && list.n)
        qsort(list.items, list.n, sizeof(*list.items), compare_items);
    if (ok)
        write_list(&list, is_aliases, seconds, out);
    for (unsigned i = 0; i < n; i++)
        json_free(docs[i]);
    mem_free(docs);
    mem_free(list.items);
    return ok;
}
