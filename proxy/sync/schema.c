/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/sync/schema.h"

#include "proxy/route/path.h"

/* --- reading ----------------------------------------------------------------------------------------------------- */

static struct json
params_of(const struct json_doc *doc)
{
    return json_get(json_get(json_get(json_root(doc), "result"), "config"), "params");
}

static bool
has_keys(struct json params)
{
    return str_eq(json_string(json_get(params, "sharding_method")), STR("custom"));
}

bool
schema_is_custom(struct str info)
{
    struct json_doc *doc = json_parse(info, NULL, NULL);
    bool is_custom = doc && has_keys(params_of(doc));

    json_free(doc);
    return is_custom;
}

static uint64_t
number(struct json v, uint64_t otherwise)
{
    uint64_t value;

    return str_to_u64(json_number(v), &value) ? value : otherwise;
}

/* A dense vector has a size, a sparse one has none: by this one is told from the other. */
static bool
are_told_apart(const struct schema *s)
{
    struct json dense = json_get(s->params, "vectors");
    bool are = true;

    if (json_type(json_get(dense, "size")) != JSON_NUMBER) {
        for (struct json_iter i = json_iter(dense); json_next(&i);)
            are = are && json_type(json_get(i.value, "size")) == JSON_NUMBER;
    }
    for (struct json_iter i = json_iter(json_get(s->params, "sparse_vectors")); json_next(&i);)
        are = are && json_type(json_get(i.value, "size")) == JSON_NONE;
    return are;
}

static bool
is_sound(const struct schema *s)
{
    struct str key;
    enum json_type metadata = json_type(s->metadata), sparse = json_type(json_get(s->params, "sparse_vectors"));
    bool has_metadata = metadata == JSON_OBJECT || metadata == JSON_NONE || metadata == JSON_NULL;
    bool has_sparse = sparse == JSON_OBJECT || sparse == JSON_NONE || sparse == JSON_NULL;

    return json_type(json_get(s->params, "vectors")) == JSON_OBJECT && json_type(s->indexes) == JSON_OBJECT &&
           has_metadata && has_sparse && are_told_apart(s) && !json_has_duplicate_key(json_root(s->doc), &key);
}

/* A single node with custom sharding has no keys to tell. */
static bool
read_keys(struct str keys, struct schema *s)
{
    s->keys_doc = json_parse(keys, NULL, NULL);
    s->shard_keys = json_get(
        json_get(s->keys_doc ? json_root(s->keys_doc) : (struct json){ NULL }, "result"), "shard_keys");
    return s->keys_doc && json_type(json_get(json_root(s->keys_doc), "result")) == JSON_OBJECT;
}

bool
schema_read(struct str info, struct str keys, struct schema *ret_schema)
{
    struct schema s = { .doc = json_parse(info, NULL, NULL) };
    struct json result;

    if (!s.doc)
        return false;
    result = json_get(json_root(s.doc), "result");
    s.config = json_get(result, "config");
    s.params = json_get(s.config, "params");
    s.indexes = json_get(result, "payload_schema");
    s.metadata = json_get(s.config, "metadata");
    s.incarnation = json_string(json_get(json_get(s.metadata, SCHEMA_OWN), "inc"));
    s.points = number(json_get(result, "points_count"), 1);
    s.is_custom = has_keys(s.params);
    s.is_quiet = number(json_get(json_get(result, "update_queue"), "length"), 1) == 0;
    if (!is_sound(&s) || (s.is_custom && !read_keys(keys, &s))) {
        schema_fini(&s);
        return false;
    }
    *ret_schema = s;
    return true;
}

void
schema_fini(struct schema *s)
{
    json_free(s->doc);
    json_free(s->keys_doc);
    *s = (struct schema){ .doc = NULL };
}

/* --- what is Sextant's ------------------------------------------------------------------------------------------- */

static void
put_own(struct json_writer *w, struct str incarnation)
{
    json_key(w, SCHEMA_OWN);
    json_begin_object(w);
    json_member_str(w, "inc", incarnation);
    json_end_object(w);
}

struct schema_step
schema_stamp(struct str collection, struct str incarnation, struct arena *arena)
{
    struct schema_step step = { .method = METHOD_PATCH };
    struct buf body = { 0 };
    struct json_writer w = json_writer(&body);

    json_begin_object(&w);
    json_key(&w, "metadata");
    json_begin_object(&w);
    put_own(&w, incarnation);
    json_end_object(&w);
    json_end_object(&w);
    step.target = arena_join(arena, STR("/collections/"), path_encode(collection, arena), STR_NONE);
    step.body = arena_str(arena, buf_str(&body));
    buf_fini(&body);
    return step;
}

static void
put_members_but(struct json_writer *w, struct json object, struct str but)
{
    for (struct json_iter i = json_iter(object); json_next(&i);) {
        if (str_eq(i.key, but))
            continue;
        json_key_str(w, i.key);
        json_put_value(w, i.value);
    }
}

bool
schema_names_own(struct str body)
{
    struct json_doc *doc = json_parse(body, NULL, NULL);
    bool names = doc && json_type(json_get(json_get(json_root(doc), "metadata"), SCHEMA_OWN)) != JSON_NONE;

    json_free(doc);
    return names;
}

bool
schema_put_create(struct str body, struct str incarnation, struct buf *out)
{
    struct json_doc *doc = json_parse(body.len ? body : STR("{}"), NULL, NULL);
    struct json root = doc ? json_root(doc) : (struct json){ NULL }, metadata = json_get(root, "metadata");
    struct str key;
    bool is_good = json_type(root) == JSON_OBJECT && json_type(json_get(metadata, SCHEMA_OWN)) == JSON_NONE &&
                   !json_has_duplicate_key(root, &key);
    struct json_writer w = json_writer(out);

    if (is_good) {
        json_begin_object(&w);
        put_members_but(&w, root, STR("metadata"));
        json_key(&w, "metadata");
        json_begin_object(&w);
        put_members_but(&w, metadata, STR(SCHEMA_OWN));
        put_own(&w, incarnation);
        json_end_object(&w);
        json_end_object(&w);
    }
    json_free(doc);
    return is_good;
}

/* The object again, and below the keys of `path` one level after the other; the last of them is left out. */
static void
put_without(struct json_writer *w, struct json v, const char *const *path)
{
    if (json_type(v) != JSON_OBJECT) {
        json_put_value(w, v);
        return;
    }
    json_begin_object(w);
    for (struct json_iter i = json_iter(v); json_next(&i);) {
        bool is_on_path = str_eq(i.key, str_from(path[0]));

        if (is_on_path && (!path[1] || (!path[2] && json_size(i.value) == 1 && json_size(json_get(i.value, path[1])))))
            continue;
        json_key_str(w, i.key);
        if (is_on_path)
            put_without(w, i.value, path + 1);
        else
            json_put_value(w, i.value);
    }
    json_end_object(w);
}

void
schema_put_shown(struct str info, struct buf *out)
{
    static const char *const path[] = { "result", "config", "metadata", SCHEMA_OWN, NULL };
    struct json_doc *doc = json_parse(info, NULL, NULL);
    struct json own = doc ? json_get(json_get(json_get(json_get(json_root(doc), "result"), "config"), "metadata"),
                                SCHEMA_OWN)
                          : (struct json){ NULL };
    struct json_writer w = json_writer(out);

    if (json_type(own) == JSON_NONE)
        buf_add(out, info);
    else
        put_without(&w, json_root(doc), path);
    json_free(doc);
}
