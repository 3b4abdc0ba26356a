/* SPDX-License-Identifier: Apache-2.0
 *
 * Which points writes touch, for the end-to-end tests. Each line of standard input is an operation, a tab, and a body without line
 * breaks; for each a line of JSON comes out: {"error":…}, or {"is_whole":…,"points":[…]}. `is_whole` false: a filter decides.
 */
#include <stdio.h>
#include <stdlib.h>

#include "proxy/sync/touch.h"

static enum op_id
op_named(struct str name)
{
    for (unsigned id = 0; id < OP_COUNT; id++) {
        if (str_eq(name, str_from(op_info((enum op_id)id)->name)))
            return (enum op_id)id;
    }
    return OP_UNKNOWN;
}

static void
answer(struct str line, struct arena *arena, struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct str name, body, error;
    struct touch touch;

    str_cut(line, '\t', &name, &body);
    json_begin_object(&w);
    if (touch_of(op_named(name), body, arena, &touch, &error)) {
        json_member_str(&w, "error", error);
        json_end_object(&w);
        return;
    }
    json_member_bool(&w, "is_whole", touch.kind == TOUCH_POINTS);
    json_key(&w, "points");
    json_begin_array(&w);
    for (unsigned i = 0; i < touch.n_points; i++) {
        char room[POINT_TEXT_MAX];
        struct str text = str_make(room, point_text(&touch.points[i].id, room));

        if (touch.points[i].id.is_uuid)
            json_put_str(&w, text);
        else
            json_put_raw(&w, text);
    }
    json_end_array(&w);
    json_end_object(&w);
}

int
main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while ((len = getline(&line, &size, stdin)) > 0) {
        struct arena arena = { 0 };
        struct buf out = { 0 };

        answer(str_make(line, (size_t)len - (line[len - 1] == '\n')), &arena, &out);
        buf_putc(&out, '\n');
        fwrite(buf_str(&out).p, 1, buf_len(&out), stdout);
        fflush(stdout);
        buf_fini(&out);
        arena_fini(&arena);
    }
    free(line);
    return 0;
}
