/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "proxy/sync/schema.h"

/* Single quotes stand for double ones. */
static struct str
quoted(struct arena *a, const char *text)
{
    struct str s = arena_str(a, str_from(text));

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '\'')
            ((char *)(uintptr_t)s.p)[i] = '"';
    }
    return s;
}

static struct schema
schema_of(struct arena *a, const char *params, const char *indexes, const char *metadata, const char *keys)
{
    struct str info = arena_printf(a,
        "{'result':{'points_count':3,'update_queue':{'length':0},'config':{'params':{%s},'hnsw_config':{'m':16},"
        "'quantization_config':null%s%s},'payload_schema':{%s}}}",
        params, metadata ? ",'metadata':" : "", metadata ? metadata : "", indexes);
    struct str shards = keys ? arena_printf(a, "{'result':{'shard_keys':[%s]}}", keys) : STR_NONE;
    struct schema s;

    assert_true(schema_read(quoted(a, info.p), shards.len ? quoted(a, shards.p) : STR_NONE, &s));
    return s;
}

struct side {
    const char *params, *indexes, *metadata, *keys;
};

static const char *const methods[] = {
    [METHOD_POST] = "POST", [METHOD_PUT] = "PUT", [METHOD_PATCH] = "PATCH", [METHOD_DELETE] = "DELETE"
};

static void
put_plan(const struct schema_plan *plan, struct buf *out)
{
    for (unsigned i = 0; i < plan->n; i++)
        buf_printf(out, "%s%s " STR_FMT " %.*s\n", plan->steps[i].removes ? "!" : "", methods[plan->steps[i].method],
            STR_ARG(plan->steps[i].target), (int)plan->steps[i].body.len,
            plan->steps[i].body.len ? plan->steps[i].body.p : "");
    if (plan->conflict.len)
        buf_printf(out, "conflict\n");
    buf_putc(out, '\0');
}

#define V "'vectors':{'a':{'size':2,'distance':'Dot'}}"
static const struct {
    struct side home, copy; /* copy.params NULL: it lacks the collection */
    const char *tuning, *expected;
} rows[] = {
    { { V, "", NULL, NULL }, { V, "", NULL, NULL }, "", "" },
    { { "'vectors':{'size':2,'distance':'Dot'},'on_disk_payload':true,'shard_number':3",
          "'n':{'data_type':'integer','points':1}", "{'_sextant':{'inc':'i1'}}", NULL },
        { NULL, NULL, NULL, NULL }, "",
        "PUT /collections/c%20d {'vectors':{'size':2,'distance':'Dot'},'on_disk_payload':true,'hnsw_config':{'m':16},"
        "'metadata':{'_sextant':{'inc':'i1'}}}\n"
        "PUT /collections/c%20d/index {'field_name':'n','field_schema':'integer'}\n" },
    { { V ",'sharding_method':'custom'", "", NULL, "{'key':'x'},{'key':7}" }, { NULL, NULL, NULL, NULL },
        "{'hnsw_config':{'m':4},'shard_number':2}",
        "PUT /collections/c%20d {" V ",'sharding_method':'custom','hnsw_config':{'m':4},'shard_number':2}\n"
        "PUT /collections/c%20d/shards {'shard_key':'x'}\nPUT /collections/c%20d/shards {'shard_key':7}\n" },
    /* storage is not compared, what is usual need not be said */
    { { "'vectors':{'a':{'size':2,'distance':'Dot','on_disk':true,'datatype':'float32'}},'sparse_vectors':{'s':{'"
        "modifier':'none'}}",
          "'t':{'data_type':'text','params':{'type':'text','on_disk':true}}", "{'_sextant':{'inc':'i1'},'x':null}",
          NULL },
        { V ",'sparse_vectors':{'s':{'index':{'on_disk':true}}}", "'t':{'data_type':'text'}",
            "{'_sextant':{'inc':'i2'}}", NULL },
        "", "" },
    { { "'vectors':{'a':{'size':3,'distance':'Dot'},'b':{'size':1,'distance':'Dot','multivector_config':{'comparator':'"
        "max_sim'}}}",
          "", NULL, NULL },
        { V ",'sparse_vectors':{'b':{},'z':{}}", "", NULL, NULL }, "",
        "!DELETE /collections/c%20d/vectors/b?wait=true \n"
        "!DELETE /collections/c%20d/vectors/a?wait=true \n"
        "PUT /collections/c%20d/vectors/a?wait=true {'dense':{'size':3,'distance':'Dot'}}\n"
        "PUT /collections/c%20d/vectors/b?wait=true "
        "{'dense':{'size':1,'distance':'Dot','multivector_config':{'comparator':'max_sim'}}}\n"
        "!DELETE /collections/c%20d/vectors/z?wait=true \n" },
    { { "'vectors':{},'sparse_vectors':{'s':{'modifier':'idf','index':{'datatype':'float16'}}}", "", NULL, NULL },
        { "'vectors':{},'sparse_vectors':{'s':{'modifier':'idf'}}", "", NULL, NULL }, "",
        "!DELETE /collections/c%20d/vectors/s?wait=true \n"
        "PUT /collections/c%20d/vectors/s?wait=true {'sparse':{'modifier':'idf','datatype':'float16'}}\n" },
    { { "'vectors':{'size':2,'distance':'Dot'}", "", NULL, NULL },
        { "'vectors':{'size':3,'distance':'Dot'}", "", NULL, NULL }, "", "conflict\n" },
    { { "'vectors':{'size':2,'distance':'Dot'}", "", NULL, NULL }, { V, "", NULL, NULL }, "", "conflict\n" },
    { { V ",'sharding_method':'custom'", "", NULL, "" }, { V, "", NULL, NULL }, "", "conflict\n" },
    { { V ",'sharding_method':'custom'", "", NULL, "{'key':'x'}" },
        { V ",'sharding_method':'custom'", "", NULL, "{'key':'y'}" }, "",
        "PUT /collections/c%20d/shards {'shard_key':'x'}\n!POST /collections/c%20d/shards/delete {'shard_key':'y'}\n" },
    { { V, "'k':{'data_type':'keyword','params':{'type':'keyword','is_tenant':true}},'n':{'data_type':'integer'}",
          "{'a':1,'b':{'c':[1,2]}}", NULL },
        { V, "'k':{'data_type':'keyword'},'old/one':{'data_type':'bool'}", "{'a':2,'b':{'c':[1,2]},'gone':true}",
            NULL },
        "",
        "PATCH /collections/c%20d {'metadata':{'a':1,'gone':null}}\n"
        "PUT /collections/c%20d/index {'field_name':'k','field_schema':{'type':'keyword','is_tenant':true}}\n"
        "PUT /collections/c%20d/index {'field_name':'n','field_schema':'integer'}\n"
        "DELETE /collections/c%20d/index/old%2Fone \n" },
};

static void
test_compare(void **state)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena a = { 0 };
        struct schema home = schema_of(
            &a, rows[i].home.params, rows[i].home.indexes, rows[i].home.metadata, rows[i].home.keys);
        struct schema copy = { 0 };
        struct schema_plan plan;
        struct buf text = { 0 };

        if (rows[i].copy.params)
            copy = schema_of(&a, rows[i].copy.params, rows[i].copy.indexes, rows[i].copy.metadata, rows[i].copy.keys);
        schema_compare(&home, rows[i].copy.params ? &copy : NULL, STR("c d"), quoted(&a, rows[i].tuning), &a, &plan);
        put_plan(&plan, &text);
        assert_string_equal(buf_str(&text).p, quoted(&a, rows[i].expected).p);
        assert_int_equal(plan.first.len > 0, rows[i].expected[0] != 0);
        buf_fini(&text);
        schema_fini(&home);
        schema_fini(&copy);
        arena_fini(&a);
    }
}

static bool
keeps(void *arg, struct str name)
{
    return !str_eq(name, STR("foreign"));
}

static void
test_aliases(void **state)
{
    struct arena a = { 0 };
    struct str home = quoted(&a,
        "{'result':{'aliases':[{'alias_name':'x','collection_name':'new'},"
        "{'alias_name':'same','collection_name':'c'},{'alias_name':'q','collection_name':'foreign'}]}}");
    struct str copy = quoted(&a,
        "{'result':{'aliases':[{'alias_name':'x','collection_name':'old'},"
        "{'alias_name':'same','collection_name':'c'},{'alias_name':'gone','collection_name':'c'},"
        "{'alias_name':'foreign','collection_name':'c'}]}}");
    struct schema_plan plan;
    struct buf text = { 0 };

    assert_true(schema_compare_aliases(home, copy, keeps, NULL, &a, &plan));
    put_plan(&plan, &text);
    assert_string_equal(
        buf_str(&text).p, quoted(&a, "POST /collections/aliases {'actions':[{'delete_alias':{'alias_name':'gone'}}]}\n"
                                     "POST /collections/aliases {'actions':[{'delete_alias':{'alias_name':'x'}},"
                                     "{'create_alias':{'collection_name':'new','alias_name':'x'}}]}\n")
                              .p);
    assert_false(schema_compare_aliases(home, STR("{}"), keeps, NULL, &a, &plan));
    assert_false(schema_compare_aliases(STR("?"), copy, keeps, NULL, &a, &plan));
    assert_true(schema_compare_aliases(home, home, keeps, NULL, &a, &plan));
    assert_int_equal(plan.n, 0);
    buf_fini(&text);
    arena_fini(&a);
}

static void
test_what_is_sextants(void **state)
{
    static const struct {
        const char *body, *expected; /* NULL: refused */
    } creates[] = {
        { "{'vectors':{'size':2,'distance':'Dot'}}",
            "{'vectors':{'size':2,'distance':'Dot'},'metadata':{'_sextant':{'inc':'i9'}}}" },
        { "", "{'metadata':{'_sextant':{'inc':'i9'}}}" },
        { "{'metadata':{'a':1.50},'vectors':{}}", "{'vectors':{},'metadata':{'a':1.50,'_sextant':{'inc':'i9'}}}" },
        { "{'metadata':{'_sextant':null}}", NULL },
        { "{'a':1,'a':2}", NULL },
        { "[]", NULL },
        { "{", NULL },
    };
    static const char *const shown[][2] = {
        { "{'result':{'config':{'metadata':{'_sextant':{'inc':'x'}},'y':1}}}", "{'result':{'config':{'y':1}}}" },
        { "{'result':{'config':{'metadata':{'a':1,'_sextant':{'inc':'x'}}}},'time':0.10}",
            "{'result':{'config':{'metadata':{'a':1}}},'time':0.10}" },
        { "{'result':{'config':{'metadata':{'a':1}}}}", "{'result':{'config':{'metadata':{'a':1}}}}" },
        { "{'status':{'error':'no'}}", "{'status':{'error':'no'}}" },
        { "no JSON", "no JSON" },
    };
    struct arena a = { 0 };

    for (unsigned i = 0; i < sizeof(creates) / sizeof(creates[0]); i++) {
        struct buf out = { 0 };
        bool is_good = schema_put_create(quoted(&a, creates[i].body), STR("i9"), &out);

        assert_int_equal(is_good, creates[i].expected != NULL);
        if (is_good)
            assert_true(str_eq(buf_str(&out), quoted(&a, creates[i].expected)));
        buf_fini(&out);
    }
    for (unsigned i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        struct buf out = { 0 };

        schema_put_shown(quoted(&a, shown[i][0]), &out);
        assert_true(str_eq(buf_str(&out), quoted(&a, shown[i][1])));
        buf_fini(&out);
    }
    assert_true(schema_names_own(quoted(&a, "{'metadata':{'_sextant':null}}")));
    assert_false(schema_names_own(quoted(&a, "{'metadata':{'x':null}}")));
    assert_true(
        str_eq(schema_stamp(STR("c"), STR("i1"), &a).body, quoted(&a, "{'metadata':{'_sextant':{'inc':'i1'}}}")));
    arena_fini(&a);
}

static void
test_what_is_no_schema(void **state)
{
    static const char *const bodies[] = { "", "{", "[]", "{'result':{}}",
        "{'result':{'config':{'params':{'vectors':[]}}}}",
        "{'result':{'config':{'params':{'vectors':{}},'metadata':7},'payload_schema':{}}}",
        "{'result':{'config':{'params':{'vectors':{}}},'payload_schema':[]}}",
        "{'result':{'config':{'params':{'vectors':{},'sharding_method':'custom'}},'payload_schema':{}}}" };
    struct arena a = { 0 };
    struct schema s;

    for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_false(schema_read(quoted(&a, bodies[i]), STR_NONE, &s));
    arena_fini(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_compare), cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_what_is_sextants), cmocka_unit_test(test_what_is_no_schema) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
