/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/route/answer.h"

#include "proxy/base/json.h"

bool
answer_is_empty(enum fail fail)
{
    return fail == FAIL_DOT_SEGMENT || fail == FAIL_METHOD_UNKNOWN;
}

bool
answer_is_text(enum fail fail)
{
    return fail == FAIL_KEY_MISSING || fail == FAIL_KEY_INVALID || fail == FAIL_TOKEN_SIGNATURE ||
           fail == FAIL_TOKEN_EXPIRED || fail == FAIL_TOKEN_INVALID;
}

/* Qdrant's own words for a name that it refuses. */
static const char *
name_fault(enum fail fail)
{
    switch (fail) {
    case FAIL_NAME_SLASH:
        return "collection name cannot contain \"/\" char";
    case FAIL_NAME_NUL:
        return "collection name cannot contain a NUL char";
    default:
        return NULL;
    }
}

static void
put_text(struct buf *out, enum fail fail, const struct operation *op, struct str detail)
{
    if (fail == FAIL_COLLECTION_NOT_MAPPED) {
        buf_printf(
            out, "Not found: Collection `" STR_FMT "` doesn't exist!", STR_ARG(detail.len ? detail : op->collection));
        return;
    }
    if (fail == FAIL_NAME_LENGTH) {
        buf_printf(out,
            "Validation error in path parameters: [collection_name: value \"" STR_FMT
            "\" invalid, must be from 1 to 255 characters]",
            STR_ARG(detail));
        return;
    }
    if (name_fault(fail)) {
        buf_printf(out, "Validation error in path parameters: [collection_name: %s]", name_fault(fail));
        return;
    }
    if (fail == FAIL_KEY_FORBIDDEN) {
        buf_add(out, detail.len ? detail : str_from(fail_info(fail)->sentence));
        return;
    }
    if (fail == FAIL_BODY_TOO_LARGE && detail.len) { /* Qdrant's own words, here and below */
        buf_add(out, detail);
        return;
    }
    if (fail == FAIL_BAD_BODY && detail.len) {
        buf_printf(out, "Format error in JSON body: " STR_FMT, STR_ARG(detail));
        return;
    }
    buf_printf(out, "Sextant: %s", fail_info(fail)->sentence);
    if (detail.len)
        buf_printf(out, " (" STR_FMT ")", STR_ARG(detail));
}

void
answer_error(struct buf *out, enum fail fail, const struct operation *op, struct str detail)
{
    struct json_writer w = json_writer(out);
    struct buf text = { 0 };

    put_text(&text, fail, op, detail);
    json_begin_object(&w);
    json_key(&w, "status");
    json_begin_object(&w);
    json_key(&w, "error");
    json_put_str(&w, buf_str(&text));
    json_end_object(&w);
    json_key(&w, "time");
    json_put_raw(&w, STR("0.0"));
    json_end_object(&w);
    buf_fini(&text);
}

struct str
answer_location(struct str value, struct str prefix)
{
    struct str path = value, rest;
    size_t at = 0;

    while (at < value.len && !strchr("/?#:", value.p[at]))
        at++;
    if (at < value.len && value.p[at] == ':') /* a scheme */
        path = str_skip(value, at + 1);
    if (str_starts(path, STR("//"))) {
        path = str_skip(path, 2);
        while (path.len && !strchr("/?#", path.p[0]))
            path = str_skip(path, 1);
    }
    rest = str_skip(path, prefix.len);
    if (prefix.len && str_starts(path, prefix) && (rest.len == 0 || rest.p[0] == '/' || rest.p[0] == '?'))
        path = rest;
    return path.len ? path : STR("/");
}

static struct str
answer_version(struct buf *out, struct str version)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "title");
    json_put_text(&w, "qdrant - vector search engine");
    json_key(&w, "version");
    json_put_str(&w, version);
    json_end_object(&w);
    return STR("application/json");
}

struct str
answer_local(struct buf *out, const struct operation *op, bool is_ready, struct str version, int *ret_status)
{
    switch (op->id) {
    case OP_VERSION:
        return answer_version(out, version);
    case OP_READYZ:
        buf_add(out, is_ready ? STR("all shards are ready") : STR("some shards are not ready"));
        if (!is_ready)
            *ret_status = 503;
        return STR("text/plain; charset=utf-8");
    case OP_COLLECTION_EXISTS:
        buf_add(out, STR("{\"result\":{\"exists\":false},\"status\":\"ok\",\"time\":0.0}"));
        return STR("application/json");
    default:
        buf_add(out, STR("healthz check passed"));
        return STR("text/plain; charset=utf-8");
    }
}
