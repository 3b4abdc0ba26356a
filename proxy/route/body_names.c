/* SPDX-License-Identifier: Apache-2.0
 *
 * What a body says that decides where it may go: other collections that it names, and whether sending it again is harmless.
 *
 * Names are collected wherever the two keys occur, at any depth: reads carry no payloads of their own, so there is no place
 * where these keys could mean something else, and one that is overlooked would be a hole in the map.
 */
#include "proxy/base/json.h"
#include "proxy/route/operation.h"

enum { NAMES_MAX = 256 };

struct collector {
    struct arena *arena;
    struct name_list *names;
    bool is_full;
};

static void
add_name(struct collector *c, struct str name)
{
    struct name_list *list = c->names;

    if (name.len == 0)
        return;
    for (unsigned i = 0; i < list->n; i++) {
        if (str_eq(list->names[i], name))
            return;
    }
    if (list->n == NAMES_MAX) {
        c->is_full = true;
        return;
    }
    if (!list->names)
        list->names = ARENA_ARRAY(c->arena, NAMES_MAX, struct str);
    list->names[list->n++] = arena_str(c->arena, name);
}

static void
add_lookup(struct collector *c, struct json v)
{
    add_name(c, json_string(v));
    add_name(c, json_string(json_get(v, "collection")));
}

static void
collect_lookups(struct collector *c, struct json v)
{
    enum json_type type = json_type(v);

    if (type != JSON_ARRAY && type != JSON_OBJECT)
        return;
    for (struct json_iter i = json_iter(v); json_next(&i);) {
        if (type == JSON_OBJECT && (str_eq(i.key, STR("lookup_from")) || str_eq(i.key, STR("with_lookup"))))
            add_lookup(c, i.value);
        collect_lookups(c, i.value);
    }
}

static void
collect_aliases(struct collector *c, struct json root)
{
    static const char *const fields[] = { "collection_name", "alias_name", "old_alias_name", "new_alias_name" };

    for (struct json_iter i = json_iter(json_get(root, "actions")); json_next(&i);) {
        for (struct json_iter action = json_iter(i.value); json_next(&action);) {
            for (unsigned f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
                add_name(c, json_string(json_get(action.value, fields[f])));
        }
    }
}

enum fail
operation_body_collections(const struct operation *op, struct str body, struct arena *arena,
    struct name_list *ret_names, struct str *ret_error)
{
    struct name_list names = { NULL, 0 };
    struct collector c = { .arena = arena, .names = &names };
    const char *error = "";
    size_t offset = 0;
    struct str key;
    struct json_doc *doc = json_parse(body, &error, &offset);
    enum fail fail = FAIL_NONE;

    if (!doc) {
        *ret_error = arena_printf(arena, "Format error in JSON body: %s at byte %zu", error, offset);
        return FAIL_BAD_BODY;
    }
    if (json_has_duplicate_key(json_root(doc), &key)) {
        *ret_error = arena_printf(arena, "Format error in JSON body: duplicate field `" STR_FMT "`", STR_ARG(key));
        fail = FAIL_BAD_BODY;
    } else if (op->scope == SCOPE_ALIASES) {
        collect_aliases(&c, json_root(doc));
    } else {
        collect_lookups(&c, json_root(doc));
    }
    if (c.is_full) {
        *ret_error = STR("more collections are named than are looked at");
        fail = FAIL_BAD_BODY;
    }
    json_free(doc);
    if (fail == FAIL_NONE)
        *ret_names = names;
    return fail;
}

/* --- idempotence ------------------------------------------------------------------------------------------------- */

static bool
has(struct json v, const char *key)
{
    return json_type(json_get(v, key)) != JSON_NONE;
}

/* By ids, and nothing that depends on what is there. */
static bool
is_plain(struct json v)
{
    return json_type(v) == JSON_OBJECT && !has(v, "filter") && !has(v, "update_filter") && !has(v, "update_mode") &&
           (has(v, "points") || has(v, "batch"));
}

static bool
is_plain_batch(struct json root)
{
    struct json operations = json_get(root, "operations");

    if (json_type(operations) != JSON_ARRAY)
        return false;
    for (struct json_iter i = json_iter(operations); json_next(&i);) {
        for (struct json_iter op = json_iter(i.value); json_next(&op);) {
            if (!is_plain(op.value))
                return false;
        }
    }
    return true;
}

bool
operation_is_idempotent(const struct operation *op, struct str body)
{
    struct json_doc *doc;
    bool result;

    if (op->info->resend == RESEND_SAFE)
        return true;
    if (op->info->resend != RESEND_BODY || body.len == 0)
        return false;
    doc = json_parse(body, NULL, NULL);
    if (!doc)
        return false;
    result = op->id == OP_BATCH_UPDATE ? is_plain_batch(json_root(doc)) : is_plain(json_root(doc));
    json_free(doc);
    return result;
}
