/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of a plan: the collection itself; vectors and shard keys that are missing, each after what stands in its place was
 * taken away; metadata; indexes; then what home has no more.
 */
#include "proxy/route/path.h"
#include "proxy/sync/schema.h"

struct planner {
    struct schema_plan *plan;
    struct arena *arena;
    struct str path; /* of the collection */
    struct buf body;
};

static const char *const dense_facts[] = { "size", "distance", "datatype", "multivector_config", NULL };
static const struct {
    const char *name;
    struct str usual; /* what is meant where it isn't said */
} defaults[] = { { "datatype", { "float32", 7 } }, { "modifier", { "none", 4 } } };

/* --- steps ------------------------------------------------------------------------------------------------------- */

static void
differs(struct planner *p, const char *what, struct str name)
{
    if (p->plan->first.len == 0)
        p->plan->first = arena_join(p->arena, str_from(what), name, STR_NONE);
}

/* With what was written into the body, which is empty afterwards. */
static void
add_step(struct planner *p, enum method method, struct str target, bool removes)
{
    struct schema_plan *plan = p->plan;

    if (plan->n < SCHEMA_STEPS_MAX) {
        plan->steps[plan->n++] = (struct schema_step){ method, target, arena_str(p->arena, buf_str(&p->body)),
            removes };
        plan->n_removing += removes;
    }
    buf_clear(&p->body);
}

static struct str
below(struct planner *p, const char *part, struct str name)
{
    return arena_join(p->arena, p->path, str_from(part), name.len ? path_encode(name, p->arena) : STR_NONE);
}

/* --- facts ------------------------------------------------------------------------------------------------------- */

static struct json
fact(struct json object, const char *name)
{
    struct json v = json_get(object, name);

    if (json_type(v) == JSON_NULL)
        return (struct json){ NULL };
    for (unsigned i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        if (str_eq(str_from(name), str_from(defaults[i].name)) && str_eq(json_string(v), defaults[i].usual))
            return (struct json){ NULL };
    }
    return v;
}

static bool
same_fact(struct json a, struct json b, const char *name)
{
    a = fact(a, name);
    b = fact(b, name);
    if (!a.val || !b.val)
        return a.val == b.val;
    return json_equal(a, b);
}

static bool
same_dense(struct json a, struct json b)
{
    for (unsigned i = 0; dense_facts[i]; i++) {
        if (!same_fact(a, b, dense_facts[i]))
            return false;
    }
    return true;
}

static bool
same_sparse(struct json a, struct json b)
{
    return same_fact(a, b, "modifier") && same_fact(json_get(a, "index"), json_get(b, "index"), "datatype");
}

static void
put_fact(struct json_writer *w, struct json from, const char *name)
{
    struct json v = fact(from, name);

    if (!v.val)
        return;
    json_key(w, name);
    json_put_value(w, v);
}

static void
put_dense(struct json_writer *w, struct json v)
{
    json_key(w, "dense");
    json_begin_object(w);
    for (unsigned i = 0; dense_facts[i]; i++)
        put_fact(w, v, dense_facts[i]);
    json_end_object(w);
}

static void
put_sparse(struct json_writer *w, struct json v)
{
    json_key(w, "sparse");
    json_begin_object(w);
    put_fact(w, v, "modifier");
    put_fact(w, json_get(v, "index"), "datatype");
    json_end_object(w);
}

/* --- making it --------------------------------------------------------------------------------------------------- */

static void
put_chosen(struct json_writer *w, struct json from, const char *name, struct json tuning)
{
    struct json v = json_get(from, name);

    if (json_type(v) == JSON_NONE || json_type(v) == JSON_NULL || json_type(json_get(tuning, name)) != JSON_NONE)
        return;
    json_key(w, name);
    json_put_value(w, v);
}

static void
make(struct planner *p, const struct schema *home, struct str tuning)
{
    static const char *const of_params[] = { "vectors", "sparse_vectors", "sharding_method", "on_disk_payload", NULL };
    static const char *const of_config[] = { "hnsw_config", "quantization_config", "metadata", NULL };
    struct json_doc *doc = tuning.len ? json_parse(tuning, NULL, NULL) : NULL;
    struct json own = doc ? json_root(doc) : (struct json){ NULL };
    struct json_writer w = json_writer(&p->body);

    json_begin_object(&w);
    for (unsigned i = 0; of_params[i]; i++)
        put_chosen(&w, home->params, of_params[i], own);
    for (unsigned i = 0; of_config[i]; i++)
        put_chosen(&w, home->config, of_config[i], own);
    for (struct json_iter i = json_iter(own); json_next(&i);) {
        json_key_str(&w, i.key);
        json_put_value(&w, i.value);
    }
    json_end_object(&w);
    json_free(doc);
    differs(p, "it is missing", STR_NONE);
    add_step(p, METHOD_PUT, p->path, false);
}

/* --- vectors ----------------------------------------------------------------------------------------------------- */

static bool
has_one_vector(const struct schema *s)
{
    return json_type(json_get(json_get(s->params, "vectors"), "size")) == JSON_NUMBER;
}

static void
change_vectors(struct planner *p, struct json home, struct json copy, bool is_sparse)
{
    for (struct json_iter i = json_iter(home); json_next(&i);) {
        struct json there = json_get_str(copy, i.key);
        struct json_writer w = json_writer(&p->body);
        struct str target = below(p, "/vectors/", i.key);
        bool is_there = json_type(there) != JSON_NONE;

        if (is_there && (is_sparse ? same_sparse(i.value, there) : same_dense(i.value, there)))
            continue;
        differs(p, "vector ", i.key);
        if (is_there)
            add_step(p, METHOD_DELETE, arena_join(p->arena, target, STR("?wait=true"), STR_NONE), true);
        json_begin_object(&w);
        if (is_sparse)
            put_sparse(&w, i.value);
        else
            put_dense(&w, i.value);
        json_end_object(&w);
        add_step(p, METHOD_PUT, arena_join(p->arena, target, STR("?wait=true"), STR_NONE), false);
    }
}

/* What is there as the other kind is in the way of the one that home has, and goes first. */
static void
drop_vectors(struct planner *p, const struct schema *home, struct json copy, bool is_in_the_way)
{
    struct json dense = { NULL }, sparse = json_get(home->params, "sparse_vectors");

    if (!has_one_vector(home))
        dense = json_get(home->params, "vectors");
    for (struct json_iter i = json_iter(copy); json_next(&i);) {
        bool is_dense = json_type(json_get_str(dense, i.key)) != JSON_NONE;
        bool is_sparse = json_type(json_get_str(sparse, i.key)) != JSON_NONE;
        bool was_sparse = json_type(json_get(i.value, "size")) == JSON_NONE;

        if ((is_dense && !was_sparse) || (is_sparse && was_sparse) || (is_dense || is_sparse) != is_in_the_way)
            continue;
        differs(p, "vector ", i.key);
        add_step(
            p, METHOD_DELETE, arena_join(p->arena, below(p, "/vectors/", i.key), STR("?wait=true"), STR_NONE), true);
    }
}

static void
vectors(struct planner *p, const struct schema *home, const struct schema *copy)
{
    struct json dense = json_get(home->params, "vectors"), there = json_get(copy->params, "vectors");

    if (has_one_vector(home) != has_one_vector(copy) || (has_one_vector(home) && !same_dense(dense, there))) {
        differs(p, "its vector", STR_NONE);
        p->plan->conflict = STR("its vector is another than home's, which cannot be changed");
        return;
    }
    if (!has_one_vector(home)) {
        drop_vectors(p, home, there, true);
        drop_vectors(p, home, json_get(copy->params, "sparse_vectors"), true);
        change_vectors(p, dense, there, false);
    }
    change_vectors(p, json_get(home->params, "sparse_vectors"), json_get(copy->params, "sparse_vectors"), true);
}

/* --- shard keys -------------------------------------------------------------------------------------------------- */

static bool
has_key(struct json keys, struct json key)
{
    for (struct json_iter i = json_iter(keys); json_next(&i);) {
        if (json_equal(json_get(i.value, "key"), key))
            return true;
    }
    return false;
}

/* Those of `from` that `in` lacks. */
static void
change_keys(struct planner *p, struct json from, struct json in, bool removes)
{
    for (struct json_iter i = json_iter(from); json_next(&i);) {
        struct json_writer w = json_writer(&p->body);
        struct json key = json_get(i.value, "key");

        if (has_key(in, key))
            continue;
        differs(p, "shard key ", json_string(key).len ? json_string(key) : json_number(key));
        json_begin_object(&w);
        json_key(&w, "shard_key");
        json_put_value(&w, key);
        json_end_object(&w);
        add_step(
            p, removes ? METHOD_POST : METHOD_PUT, below(p, removes ? "/shards/delete" : "/shards", STR_NONE), removes);
    }
}

/* --- metadata ---------------------------------------------------------------------------------------------------- */

static bool
is_to_patch(struct str key, struct json is, struct json was)
{
    bool is_there = json_type(is) != JSON_NONE && json_type(is) != JSON_NULL;
    bool was_there = json_type(was) != JSON_NONE && json_type(was) != JSON_NULL;

    return !str_eq(key, STR(SCHEMA_OWN)) && (is_there != was_there || (is_there && !json_equal(is, was)));
}

static void
metadata(struct planner *p, struct json home, struct json copy)
{
    struct json_writer w = json_writer(&p->body);
    unsigned n = 0;

    json_begin_object(&w);
    json_key(&w, "metadata");
    json_begin_object(&w);
    for (struct json_iter i = json_iter(home); json_next(&i);) {
        if (is_to_patch(i.key, i.value, json_get_str(copy, i.key))) {
            json_key_str(&w, i.key);
            json_put_value(&w, i.value);
            n++;
        }
    }
    for (struct json_iter i = json_iter(copy); json_next(&i);) {
        if (json_type(json_get_str(home, i.key)) == JSON_NONE && is_to_patch(i.key, (struct json){ NULL }, i.value)) {
            json_key_str(&w, i.key);
            json_put_null(&w);
            n++;
        }
    }
    json_end_object(&w);
    json_end_object(&w);
    if (n == 0) {
        buf_clear(&p->body);
        return;
    }
    differs(p, "metadata", STR_NONE);
    add_step(p, METHOD_PATCH, p->path, false);
}

/* --- indexes ----------------------------------------------------------------------------------------------------- */

static bool
is_storage(struct str name)
{
    return str_eq(name, STR("on_disk")) || str_eq(name, STR("memory"));
}

/* Of a's parameters, all that is not storage stands the same in b's. */
static bool
has_parameters(struct json a, struct json b)
{
    for (struct json_iter i = json_iter(a); json_next(&i);) {
        struct json there = json_get_str(b, i.key);

        if (is_storage(i.key) || str_eq(i.key, STR("type")) || json_type(i.value) == JSON_NULL)
            continue;
        if (json_type(there) == JSON_NONE || !json_equal(i.value, there))
            return false;
    }
    return true;
}

static bool
same_index(struct json a, struct json b)
{
    struct json x = json_get(a, "params"), y = json_get(b, "params");

    return str_eq(json_string(json_get(a, "data_type")), json_string(json_get(b, "data_type"))) &&
           has_parameters(x, y) && has_parameters(y, x);
}

static void
put_index(struct json_writer *w, struct str field, struct json index)
{
    struct json params = json_get(index, "params");

    json_begin_object(w);
    json_member_str(w, "field_name", field);
    json_key(w, "field_schema");
    json_put_value(w, json_type(params) == JSON_OBJECT ? params : json_get(index, "data_type"));
    json_end_object(w);
}

static void
indexes(struct planner *p, struct json home, struct json copy)
{
    for (struct json_iter i = json_iter(home); json_next(&i);) {
        struct json there = json_get_str(copy, i.key);
        struct json_writer w = json_writer(&p->body);

        if (json_type(there) != JSON_NONE && same_index(i.value, there))
            continue;
        differs(p, "index ", i.key);
        put_index(&w, i.key, i.value);
        add_step(p, METHOD_PUT, below(p, "/index", STR_NONE), false);
    }
    for (struct json_iter i = json_iter(copy); json_next(&i);) {
        if (json_type(json_get_str(home, i.key)) != JSON_NONE)
            continue;
        differs(p, "index ", i.key);
        add_step(p, METHOD_DELETE, below(p, "/index/", i.key), false);
    }
}

/* --- all of it --------------------------------------------------------------------------------------------------- */

static void
change(struct planner *p, const struct schema *home, const struct schema *copy)
{
    if (home->is_custom != copy->is_custom) {
        differs(p, "sharding method", STR_NONE);
        p->plan->conflict = STR("its sharding method is another than home's, which cannot be changed");
        return;
    }
    vectors(p, home, copy);
    change_keys(p, home->shard_keys, copy->shard_keys, false);
    metadata(p, home->metadata, copy->metadata);
    indexes(p, home->indexes, copy->indexes);
    if (!has_one_vector(home))
        drop_vectors(p, home, json_get(copy->params, "vectors"), false);
    drop_vectors(p, home, json_get(copy->params, "sparse_vectors"), false);
    change_keys(p, copy->shard_keys, home->shard_keys, true);
}

void
schema_compare(const struct schema *home, const struct schema *copy, struct str collection, struct str tuning,
    struct arena *arena, struct schema_plan *ret_plan)
{
    struct planner p = { .plan = ret_plan, .arena = arena };

    *ret_plan = (struct schema_plan){ .conflict = STR_NONE };
    p.path = arena_join(arena, STR("/collections/"), path_encode(collection, arena), STR_NONE);
    if (copy) {
        change(&p, home, copy);
    } else {
        make(&p, home, tuning);
        change_keys(&p, home->shard_keys, (struct json){ NULL }, false);
        indexes(&p, home->indexes, (struct json){ NULL });
    }
    buf_fini(&p.body);
}

/* --- aliases ----------------------------------------------------------------------------------------------------- */

static struct str
behind(struct json aliases, struct str name)
{
    for (struct json_iter i = json_iter(aliases); json_next(&i);) {
        if (str_eq(json_string(json_get(i.value, "alias_name")), name))
            return json_string(json_get(i.value, "collection_name"));
    }
    return STR_NONE;
}

static void
put_drop(struct json_writer *w, struct str alias)
{
    json_begin_object(w);
    json_key(w, "delete_alias");
    json_begin_object(w);
    json_member_str(w, "alias_name", alias);
    json_end_object(w);
    json_end_object(w);
}

static void
set_alias(struct planner *p, struct str alias, struct str collection)
{
    struct json_writer w = json_writer(&p->body);

    differs(p, "alias ", alias);
    json_begin_object(&w);
    json_key(&w, "actions");
    json_begin_array(&w);
    put_drop(&w, alias);
    if (collection.len) {
        json_begin_object(&w);
        json_key(&w, "create_alias");
        json_begin_object(&w);
        json_member_str(&w, "collection_name", collection);
        json_member_str(&w, "alias_name", alias);
        json_end_object(&w);
        json_end_object(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    add_step(p, METHOD_POST, STR("/collections/aliases"), false);
}

bool
schema_compare_aliases(struct str home, struct str copy, schema_keep_fn *keeps, void *arg, struct arena *arena,
    struct schema_plan *ret_plan)
{
    struct planner p = { .plan = ret_plan, .arena = arena };
    struct json_doc *home_doc = json_parse(home, NULL, NULL), *copy_doc = json_parse(copy, NULL, NULL);
    struct json is = { NULL }, was = { NULL };
    bool is_good = home_doc && copy_doc;

    *ret_plan = (struct schema_plan){ .conflict = STR_NONE };
    if (is_good) {
        is = json_get(json_get(json_root(home_doc), "result"), "aliases");
        was = json_get(json_get(json_root(copy_doc), "result"), "aliases");
        is_good = json_type(is) == JSON_ARRAY && json_type(was) == JSON_ARRAY;
    }
    for (struct json_iter i = json_iter(was); is_good && json_next(&i);) {
        struct str alias = json_string(json_get(i.value, "alias_name"));

        if (keeps(arg, alias) && keeps(arg, json_string(json_get(i.value, "collection_name"))) &&
            !behind(is, alias).len)
            set_alias(&p, alias, STR_NONE);
    }
    for (struct json_iter i = json_iter(is); is_good && json_next(&i);) {
        struct str alias = json_string(json_get(i.value, "alias_name"));
        struct str collection = json_string(json_get(i.value, "collection_name"));

        if (keeps(arg, alias) && keeps(arg, collection) && !str_eq(behind(was, alias), collection))
            set_alias(&p, alias, collection);
    }
    buf_fini(&p.body);
    json_free(home_doc);
    json_free(copy_doc);
    return is_good;
}
