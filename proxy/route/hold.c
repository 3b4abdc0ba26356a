/* SPDX-License-Identifier: Apache-2.0
 *
 * The file: {"version":1,"check":"…","overrides":[{"cluster":"eu","endpoint":0,"state":"drain","reason":"…","by":"…",
 * "since":"…"},…]}. The check is over the list, so that a name that lost a bit is not taken for another cluster's.
 */
#include "proxy/route/hold.h"

#include "proxy/base/arena.h"
#include "proxy/base/json.h"
#include "proxy/base/mem.h"

enum { ENDPOINT_MAX = 64, NAME_BYTES = 255 };

struct list {
    struct holds holds; /* first: what callers see */
    struct arena arena;
    struct hold items[];
};

const char *
hold_kind_name(enum hold_kind kind)
{
    static const char *const names[] = { "up", "drain", "down" };

    return names[kind];
}

bool
hold_target_parse(struct str text, struct str *ret_cluster, unsigned *ret_endpoint)
{
    struct str name, number;
    uint64_t endpoint = 0;

    if (str_cut(text, '/', &name, &number) && (!str_to_u64(number, &endpoint) || endpoint == 0))
        return false;
    if (name.len == 0 || name.len > NAME_BYTES || endpoint > ENDPOINT_MAX)
        return false;
    *ret_cluster = name;
    *ret_endpoint = (unsigned)endpoint;
    return true;
}

void
hold_target_print(const struct hold *h, struct buf *out)
{
    buf_add(out, h->cluster);
    if (h->endpoint)
        buf_printf(out, "/%u", h->endpoint);
}

/* --- lists ------------------------------------------------------------------------------------------------------- */

static struct list *
list_new(unsigned room)
{
    struct list *l = mem_alloc(sizeof(*l) + room * sizeof(l->items[0]));

    l->holds.items = l->items;
    return l;
}

static void
add(struct list *l, const struct hold *h)
{
    l->items[l->holds.n++] = (struct hold){
        .kind = h->kind,
        .cluster = arena_str(&l->arena, h->cluster),
        .endpoint = h->endpoint,
        .reason = arena_str(&l->arena, h->reason),
        .by = arena_str(&l->arena, h->by),
        .since = arena_str(&l->arena, h->since),
    };
}

struct holds *
holds_new(void)
{
    return &list_new(0)->holds;
}

void
holds_free(struct holds *h)
{
    struct list *l = (struct list *)(void *)h;

    if (!l)
        return;
    arena_fini(&l->arena);
    mem_free(l);
}

static bool
is_of(const struct hold *h, struct str cluster, unsigned endpoint)
{
    return h->endpoint == endpoint && str_eq(h->cluster, cluster);
}

const struct hold *
holds_find(const struct holds *h, struct str cluster, unsigned endpoint)
{
    for (unsigned i = 0; i < h->n; i++) {
        if (is_of(&h->items[i], cluster, endpoint))
            return &h->items[i];
    }
    return NULL;
}

struct holds *
holds_change(const struct holds *old, const struct hold *change)
{
    struct list *l;

    if (old->n >= HOLDS_MAX && change->kind != HOLD_NONE && !holds_find(old, change->cluster, change->endpoint))
        return NULL;
    l = list_new(old->n + 1);
    for (unsigned i = 0; i < old->n; i++) {
        if (!is_of(&old->items[i], change->cluster, change->endpoint))
            add(l, &old->items[i]);
    }
    if (change->kind != HOLD_NONE)
        add(l, change);
    return &l->holds;
}

/* --- the file ---------------------------------------------------------------------------------------------------- */

static void
print_list(const struct holds *h, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_array(&w);
    for (unsigned i = 0; i < h->n; i++) {
        const struct hold *one = &h->items[i];

        json_begin_object(&w);
        json_member_str(&w, "cluster", one->cluster);
        json_member_u64(&w, "endpoint", one->endpoint);
        json_member_str(&w, "state", str_from(hold_kind_name(one->kind)));
        json_member_str(&w, "reason", one->reason);
        json_member_str(&w, "by", one->by);
        json_member_str(&w, "since", one->since);
        json_end_object(&w);
    }
    json_end_array(&w);
}

/* FNV-1a. */
static uint64_t
hash(struct str s)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    return h;
}

void
holds_print(const struct holds *h, struct buf *out)
{
    struct buf list = { 0 };

    print_list(h, &list);
    buf_printf(out, "{\"version\":1,\"check\":\"%016llx\",\"overrides\":", (unsigned long long)hash(buf_str(&list)));
    buf_add(out, buf_str(&list));
    buf_add(out, STR("}\n"));
    buf_fini(&list);
}

static bool
take_text(struct json object, const char *key, size_t limit, struct str *ret_text)
{
    struct json v = json_get(object, key);

    *ret_text = json_string(v);
    return json_type(v) == JSON_STRING && ret_text->len <= limit;
}

static const char *
take_hold(struct json v, struct hold *ret_hold)
{
    struct str state, number = json_number(json_get(v, "endpoint"));
    uint64_t endpoint;

    if (json_type(v) != JSON_OBJECT || json_size(v) != 6)
        return "an override has not the six members that it should have";
    if (!take_text(v, "cluster", NAME_BYTES, &ret_hold->cluster) || ret_hold->cluster.len == 0)
        return "the cluster of an override is no name";
    if (!str_to_u64(number, &endpoint) || endpoint > ENDPOINT_MAX)
        return "the endpoint of an override is no number from 0 to 64";
    ret_hold->endpoint = (unsigned)endpoint;
    if (!take_text(v, "state", 8, &state) || !(str_eq(state, STR("drain")) || str_eq(state, STR("down"))))
        return "the state of an override is neither drain nor down";
    ret_hold->kind = str_eq(state, STR("drain")) ? HOLD_DRAIN : HOLD_DOWN;
    if (!take_text(v, "reason", HOLD_REASON_BYTES, &ret_hold->reason) ||
        !take_text(v, "by", HOLD_BY_BYTES, &ret_hold->by) || !take_text(v, "since", 64, &ret_hold->since))
        return "the reason, by or since of an override is missing or too long";
    return NULL;
}

static const char *
take_list(struct json overrides, struct list *l)
{
    for (struct json_iter i = json_iter(overrides); json_next(&i);) {
        struct hold h;
        const char *error = take_hold(i.value, &h);

        if (error)
            return error;
        if (holds_find(&l->holds, h.cluster, h.endpoint))
            return "two overrides have the same target";
        add(l, &h);
    }
    return NULL;
}

static const char *
check_frame(struct json root)
{
    if (json_type(root) != JSON_OBJECT || json_type(json_get(root, "overrides")) != JSON_ARRAY)
        return "it is no object with a list of overrides";
    if (!str_eq(json_number(json_get(root, "version")), STR("1")))
        return "it is of a version that is not known here";
    if (json_size(json_get(root, "overrides")) > HOLDS_MAX)
        return "it holds too many overrides";
    return NULL;
}

/* What was read says again what stood there, the check included. */
static const char *
check_text(const struct holds *h, struct str text)
{
    struct buf again = { 0 };
    bool is_same;

    holds_print(h, &again);
    is_same = str_eq(buf_str(&again), text);
    buf_fini(&again);
    return is_same ? NULL : "it was changed by something else: its check does not fit";
}

struct holds *
holds_parse(struct str text, const char **ret_error)
{
    const char *error = NULL;
    struct json_doc *doc = json_parse(text, &error, NULL);
    struct list *l = NULL;

    if (doc)
        error = check_frame(json_root(doc));
    if (doc && !error) {
        l = list_new((unsigned)json_size(json_get(json_root(doc), "overrides")));
        error = take_list(json_get(json_root(doc), "overrides"), l);
    }
    if (l && !error)
        error = check_text(&l->holds, text);
    json_free(doc);
    if (!error)
        return &l->holds;
    if (l)
        holds_free(&l->holds);
    *ret_error = error;
    return NULL;
}
