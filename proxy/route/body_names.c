/* SPDX-License-Identifier: Apache-2.0
 *
 * Which further collections a request body names: `lookup_from` and `with_lookup` of reads, and everything that alias actions
 * name. What is found here decides whether the request may go where its path says, so a name that Qdrant would follow must
 * never be missed; a name too many only refuses a request.
 *
 *  1. The two members count at any depth. Only reads get here: they carry no payloads, and keys of filters are values
 *     there ("key": "lookup_from"), so that an object member of that name is a look-up or something that Qdrant ignores.
 *  2. Keys are compared as the JSON parser decoded them ("lookup_\u0066rom" is one), and an object that has a key twice is
 *     refused, as Qdrant does: two readers could take different ones.
 *  3. Qdrant's deserializer also takes a struct written as an array of its fields in order, where a look-up has no key to be
 *     found by. No client writes that, so it is refused wherever a struct that can hold a name may stand.
 *  4. What is of the wrong type otherwise is left to Qdrant, which refuses it with its own words.
 */
#include "proxy/base/json.h"
#include "proxy/route/operation.h"

enum { NAMES_MAX = 256 };

struct search {
    struct arena *arena;
    struct name_list list;
    const char *error; /* NULL while all is well */
};

static void
add_name(struct search *s, struct json value)
{
    struct str name = json_string(value);

    if (json_type(value) != JSON_STRING)
        return;
    for (unsigned i = 0; i < s->list.n; i++) {
        if (str_eq(s->list.names[i], name))
            return;
    }
    if (s->list.n == NAMES_MAX) {
        s->error = "it names too many collections";
        return;
    }
    if (!s->list.names)
        s->list.names = ARENA_ARRAY(s->arena, NAMES_MAX, struct str);
    s->list.names[s->list.n++] = arena_str(s->arena, name);
}

static void
take_lookup(struct search *s, struct json value)
{
    if (json_type(value) == JSON_ARRAY)
        s->error = "a look-up must be an object";
    add_name(s, value);
    add_name(s, json_get(value, "collection"));
}

static void
check_elements(struct search *s, struct json array)
{
    if (json_type(array) != JSON_ARRAY)
        return;
    for (struct json_iter i = json_iter(array); json_next(&i);) {
        if (json_type(i.value) == JSON_ARRAY)
            s->error = "prefetches, searches and actions must be objects";
    }
}

/* A single prefetch may stand without an array around it, so an array of anything but objects is one written by position. */
static void
check_prefetch(struct search *s, struct json value)
{
    if (json_type(value) != JSON_ARRAY)
        return;
    for (struct json_iter i = json_iter(value); json_next(&i);) {
        if (json_type(i.value) != JSON_OBJECT)
            s->error = "prefetches must be objects";
    }
}

static void
find_lookups(struct search *s, struct json v)
{
    bool is_object = json_type(v) == JSON_OBJECT;

    if (!is_object && json_type(v) != JSON_ARRAY)
        return;
    for (struct json_iter i = json_iter(v); !s->error && json_next(&i);) {
        if (is_object && (str_eq(i.key, STR("lookup_from")) || str_eq(i.key, STR("with_lookup"))))
            take_lookup(s, i.value);
        else if (is_object && str_eq(i.key, STR("prefetch")))
            check_prefetch(s, i.value);
        else if (is_object && str_eq(i.key, STR("searches")))
            check_elements(s, i.value);
        find_lookups(s, i.value);
    }
}

static void
take_action(struct search *s, struct json action)
{
    static const char *const members[] = { "collection_name", "alias_name", "old_alias_name", "new_alias_name" };

    if (json_type(action) == JSON_ARRAY)
        s->error = "an alias action must be an object";
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        add_name(s, json_get(action, members[i]));
}

static void
find_aliases(struct search *s, struct json root)
{
    struct json actions = json_get(root, "actions");

    check_elements(s, actions);
    for (struct json_iter i = json_iter(actions); !s->error && json_next(&i);) {
        for (struct json_iter j = json_iter(i.value); json_next(&j);)
            take_action(s, j.value);
    }
}

static void
search_root(struct search *s, const struct operation *op, struct json root, struct str *ret_error)
{
    struct str key;

    if (json_has_duplicate_key(root, &key))
        *ret_error = arena_printf(s->arena, "duplicate field `" STR_FMT "`", STR_ARG(key));
    else if (json_type(root) != JSON_OBJECT)
        s->error = "it must be an object";
    else if (op->scope == SCOPE_ALIASES)
        find_aliases(s, root);
    else
        find_lookups(s, root);
    if (s->error)
        *ret_error = str_from(s->error);
}

enum fail
operation_body_collections(const struct operation *op, struct str body, struct arena *arena,
    struct name_list *ret_names, struct str *ret_error)
{
    struct search search = { .arena = arena };
    struct str error = STR_NONE;
    const char *reason;
    size_t offset;
    struct json_doc *doc;

    if (op->scope != SCOPE_ALIASES && !(op->info->flags & OP_LOOKUP)) {
        *ret_names = search.list;
        return FAIL_NONE;
    }
    doc = json_parse(body, &reason, &offset);
    if (doc)
        search_root(&search, op, json_root(doc), &error);
    else
        error = arena_printf(arena, "%s at byte %zu", reason, offset);
    json_free(doc);
    if (error.len) {
        *ret_error = error;
        return FAIL_BAD_BODY;
    }
    *ret_names = search.list;
    return FAIL_NONE;
}
