/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/admin/admin.h"
#include "proxy/admin/explain_query.h"

/* --- health ------------------------------------------------------------------------------------------------------ */

bool
admin_page_health(const struct admin_view *view, struct str query, struct buf *out)
{
    bool is_draining = atomic_load(&view->shared->is_draining), is_ready = atomic_load(&view->shared->is_ready);

    buf_add(out, is_draining ? STR("draining\n") : is_ready ? STR("ok\n") : STR("starting\n"));
    return is_ready && !is_draining;
}

/* --- queries ----------------------------------------------------------------------------------------------------- */

static struct str
decode(struct str s, struct arena *arena)
{
    char *out = arena_alloc(arena, s.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        int high = i + 2 < s.len ? str_hex_value(s.p[i + 1]) : -1, low = i + 2 < s.len ? str_hex_value(s.p[i + 2]) : -1;

        if (s.p[i] == '%' && high >= 0 && low >= 0) {
            out[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    return str_make(out, n);
}

struct str
admin_param(struct str query, const char *name, struct arena *arena)
{
    struct str pair, key, value;

    while (query.len) {
        str_cut(query, '&', &pair, &query);
        str_cut(pair, '=', &key, &value);
        if (str_eq(key, str_from(name)))
            return decode(value, arena);
    }
    return STR_NONE;
}

/* --- config ------------------------------------------------------------------------------------------------------ */

bool
admin_page_config(const struct admin_view *view, struct str query, struct buf *out)
{
    const struct world *world = (*view->fleet)->world;
    struct buf options = { 0 }, map = { 0 };
    struct json_writer w = json_writer(out);

    conf_print_json(world->conf, &options);
    partition_map_print(world->map, world->topology, &map);
    json_begin_object(&w);
    json_member_u64(&w, "generation", world->generation);
    json_key(&w, "options");
    json_put_raw(&w, buf_str(&options));
    json_member_str(&w, "partition_map", buf_str(&map));
    json_end_object(&w);
    buf_putc(out, '\n');
    buf_fini(&options);
    buf_fini(&map);
    return true;
}

/* --- explain ----------------------------------------------------------------------------------------------------- */

bool
admin_page_explain(const struct admin_view *view, struct str query, struct buf *out)
{
    const struct fleet *f = *view->fleet;
    struct cluster_view views[CLUSTERS_MAX];
    struct arena arena = { 0 };
    struct explain_query q = {
        .ip = admin_param(query, "ip", &arena),
        .place = admin_param(query, "place", &arena),
        .method = admin_param(query, "method", &arena),
        .path = admin_param(query, "path", &arena),
        .collection = admin_param(query, "collection", &arena),
        .body = admin_param(query, "body", &arena),
        .trusted = str_eq(admin_param(query, "trusted", &arena), STR("true")),
        .json = !str_eq(admin_param(query, "format", &arena), STR("text")),
    };
    bool ok;

    fleet_views(f, views);
    ok = explain_answer(f->world, views, &q, out);
    arena_fini(&arena);
    return ok;
}

/* --- residency --------------------------------------------------------------------------------------------------- */

static void
put_row(void *arg, const struct residency_key *key, uint64_t requests, uint64_t in, uint64_t out_bytes)
{
    struct json_writer *w = arg;

    json_begin_object(w);
    json_member_str(w, "rule", str_from(key->rule));
    json_member_str(w, "partition", str_from(key->partition));
    json_member_str(w, "caller_country", str_from(key->caller));
    json_member_str(w, "cluster", str_from(key->cluster));
    json_member_str(w, "cluster_country", str_from(key->cluster_country));
    json_member_u64(w, "requests", requests);
    json_member_u64(w, "bytes_to_cluster", in);
    json_member_u64(w, "bytes_to_caller", out_bytes);
    json_end_object(w);
}

bool
admin_page_residency(const struct admin_view *view, struct str query, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_begin_object(&w);
    json_key(&w, "rows");
    json_begin_array(&w);
    residency_each(view->residency, *view->n_residency, put_row, &w);
    json_end_array(&w);
    json_end_object(&w);
    buf_putc(out, '\n');
    return true;
}
