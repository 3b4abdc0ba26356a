/* SPDX-License-Identifier: Apache-2.0 *
 * What clusters say of a collection. The input is home's answer and the copy's, apart by a line's end. Whatever they are, a plan
 * is JSON of its own, and one and the same collection needs none but for what a part refuses to compare.
 */
#include <assert.h>
#include <string.h>

#include "proxy/sync/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_plan(const struct schema_plan *plan)
{
    assert(plan->n <= SCHEMA_STEPS_MAX && plan->n_removing <= plan->n);
    for (unsigned i = 0; i < plan->n; i++) {
        struct json_doc *doc = json_parse(plan->steps[i].body, NULL, NULL);

        assert(plan->steps[i].target.len && (doc || plan->steps[i].body.len == 0));
        json_free(doc);
    }
    assert((plan->n || plan->conflict.len) == (plan->first.len > 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, '\n', size);
    struct str all = str_make((const char *)data, size);
    struct str first = end ? str_make(all.p, (size_t)(end - data)) : all,
               second = str_skip(all, first.len + (end != NULL));
    struct schema home = { 0 }, copy = { 0 };
    struct arena arena = { 0 };
    struct schema_plan plan;
    struct buf out = { 0 };

    if (schema_read(first, second, &home)) {
        schema_compare(&home, NULL, STR("c"), STR_NONE, &arena, &plan);
        check_plan(&plan);
        schema_compare(&home, &home, STR("c"), STR_NONE, &arena, &plan);
        assert(plan.n == 0 && plan.conflict.len == 0);
        if (schema_read(second, first, &copy)) {
            schema_compare(&home, &copy, STR("c"), STR_NONE, &arena, &plan);
            check_plan(&plan);
        }
    }
    if (schema_put_create(first, STR("i"), &out))
        assert(schema_names_own(buf_str(&out)));
    buf_clear(&out);
    schema_put_shown(first, &out);
    buf_fini(&out);
    schema_fini(&home);
    schema_fini(&copy);
    arena_fini(&arena);
    return 0;
}
