/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of several clusters. The first byte picks the operation; the rest is parts separated by newlines, each led by a byte
 * for its status. Whatever clusters send, a merged list is one valid JSON text with nothing but names in it, and a verdict
 * points at a part that bears it out.
 */
#include <assert.h>
#include <stddef.h>

#include "proxy/base/json.h"
#include "proxy/route/merge.h"

enum { PARTS_MAX = 6 };

static bool
keep(void *arg, struct str name, unsigned part)
{
    return name.len % 3 != part % 3;
}

static unsigned
split(struct str text, struct part *parts)
{
    static const int statuses[] = { 200, 200, 200, 409, 404, 400, 500, 0 };
    struct str line;
    unsigned n = 0;

    while (text.len && n < PARTS_MAX) {
        str_cut(text, '\n', &line, &text);
        parts[n] = (struct part){ .cluster = STR("c"), .status = 200, .body = line };
        if (line.len) {
            parts[n].status = statuses[(unsigned char)line.p[0] % 8];
            parts[n].fail = (unsigned char)line.p[0] > 250 ? FAIL_UPSTREAM_RESET : FAIL_NONE;
            parts[n].body = str_skip(line, 1);
        }
        n++;
    }
    return n;
}

static void
check_lists(const struct part *parts, unsigned n)
{
    static const enum op_id ids[] = { OP_LIST_COLLECTIONS, OP_LIST_ALIASES };

    for (unsigned i = 0; i < 2; i++) {
        struct buf out = { 0 };
        unsigned bad = PARTS_MAX;

        if (merge_lists(ids[i], parts, n, keep, NULL, 0.5, &out, &bad)) {
            struct json_doc *doc = json_parse(buf_str(&out), NULL, NULL);
            struct json list = json_get(json_get(json_root(doc), "result"), i ? "aliases" : "collections");

            assert(json_type(list) == JSON_ARRAY);
            for (struct json_iter j = json_iter(list); json_next(&j);)
                assert(json_size(j.value) == i + 1);
            json_free(doc);
        } else {
            assert(bad < n && buf_len(&out) == 0);
        }
        buf_fini(&out);
    }
}

static void
check_schema(enum op_id id, const struct part *parts, unsigned n, const struct part *configs)
{
    struct operation op = { .id = id, .info = op_info(id), .scope = op_info(id)->scope };
    unsigned index = PARTS_MAX;
    bool needs_configs;
    enum schema_verdict verdict = merge_schema(&op, parts, n, configs, &index, &needs_configs);

    assert(index < n);
    assert(!needs_configs || (!configs && verdict == SCHEMA_FAILED && parts[index].status == 409));
    if (verdict == SCHEMA_COMPLETED)
        assert(parts[index].fail == FAIL_NONE && parts[index].status == 200);
    if (verdict == SCHEMA_SAME)
        for (unsigned i = 0; i < n; i++)
            assert(parts[i].fail == FAIL_NONE && parts[i].status == parts[0].status && parts[i].status);
    if (verdict != SCHEMA_FAILED) /* nothing is called done while a cluster failed or was left out */
        for (unsigned i = 0; i < n; i++)
            assert(parts[i].fail == FAIL_NONE && parts[i].status);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct part parts[PARTS_MAX];
    struct buf out = { 0 };
    unsigned n;

    if (size == 0)
        return 0;
    n = split(str_make((const char *)data + 1, size - 1), parts);
    if (n == 0)
        return 0;
    check_lists(parts, n);
    check_schema((enum op_id)(data[0] % OP_COUNT), parts, n, NULL);
    check_schema((enum op_id)(data[0] % OP_COUNT), parts, n, parts);
    merge_configs_equal(parts[0].body, parts[n - 1].body);
    merge_outcomes(parts, n, &out);
    buf_fini(&out);
    return 0;
}
