/* SPDX-License-Identifier: Apache-2.0 */
#include "test/flow/ship_lib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

void
ship_keep(struct ship_fixture *f, const struct outcome *why)
{
    outcome_fini(&f->why);
    f->why = *why;
    f->why.text = (struct buf){ 0 };
    buf_add(&f->why.text, buf_str(&why->text));
    f->n_done++;
}

int
ship_set_up(void **state)
{
    struct ship_fixture *f = test_calloc(1, sizeof(*f));

    flow_init(&f->flow, (const char *const[]){ NULL });
    *state = f;
    return 0;
}

int
ship_tear_down(void **state)
{
    struct ship_fixture *f = *state;

    ship_read_cancel(&f->read);
    ship_write_cancel(&f->write);
    quiet_cancel(&f->quiet);
    flow_fini(&f->flow);
    state_unref(f->state);
    outcome_fini(&f->why);
    buf_fini(&f->parts);
    test_free(f);
    return 0;
}

void
expect_asked(struct ship_fixture *f, const char *name, const char *start, const char *body)
{
    struct end *e = flow_dial(&f->flow, str_from(name));
    struct str got;

    assert_non_null(e);
    got = buf_str(&e->got);
    if (!str_starts(got, str_from(start)) || !str_ends(got, str_from(body)))
        fail_msg("\n" STR_FMT "\ninstead of\n%s … %s", STR_ARG(got), start, body);
    buf_clear(&e->got);
}

void
answer(struct ship_fixture *f, const char *name, int status, const char *fields, const char *body)
{
    struct buf text = { 0 };

    buf_printf(&text, "HTTP/1.1 %d X\r\ncontent-length: %zu\r\n%s\r\n%s", status, strlen(body), fields, body);
    end_send(&f->flow, flow_dial(&f->flow, str_from(name)), buf_str(&text));
    flow_settle(&f->flow);
    buf_fini(&text);
}
