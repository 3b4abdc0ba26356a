/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that goes from one buffer to the next.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "proxy/base/buf.h"

static void
test_memory_goes_round(void **state)
{
    struct buf_shelf shelf = { .n = 0 };
    struct buf a = { 0 }, b = { 0 }, c = { 0 };
    const char *memory;

    buf_add(&a, STR("text"));
    memory = a.data;
    buf_consume(&a, 4);
    buf_shelve(&a, &shelf);
    assert_null(a.data);
    buf_shelve(&a, &shelf); /* it has none left to give */
    assert_int_equal(shelf.n, 1);
    buf_unshelve(&b, &shelf);
    buf_unshelve(&c, &shelf);
    assert_ptr_equal(b.data, memory);
    assert_null(c.data);
    assert_int_equal(buf_len(&b), 0);
    buf_add(&b, STR("more"));
    assert_ptr_equal(b.data, memory);
    buf_add(&c, STR("other"));
    memory = c.data;
    buf_shelf_fini(&shelf);
    buf_unshelve(&c, &shelf); /* it has its own */
    assert_ptr_equal(c.data, memory);
    buf_fini(&b);
    buf_fini(&c);
}

static void
shelve_large(struct buf_shelf *shelf, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct buf b = { 0 };

        buf_reserve(&b, BUF_SHELF_LARGEST);
        buf_shelve(&b, shelf);
        assert_null(b.data);
    }
}

static void
test_shelves_are_bounded(void **state)
{
    struct buf_shelf shelf = { .n = 0 };
    struct buf large = { 0 };
    size_t before = buf_memory();

    buf_reserve(&large, BUF_SHELF_LARGEST + 1);
    assert_true(buf_memory() > before);
    buf_shelve(&large, &shelf);
    assert_int_equal(shelf.n, 0);
    assert_int_equal(buf_memory(), before);
    for (unsigned i = 0; i < BUF_SHELF_BUFFERS + 2; i++) {
        struct buf b = { 0 };

        buf_putc(&b, 'x');
        buf_clear(&b);
        buf_shelve(&b, &shelf);
        assert_null(b.data);
    }
    assert_int_equal(shelf.n, BUF_SHELF_BUFFERS);
    buf_shelf_fini(&shelf);
    assert_int_equal(shelf.n, 0);
    shelve_large(&shelf, BUF_SHELF_BYTES / BUF_SHELF_LARGEST + 2);
    assert_int_equal(shelf.n, BUF_SHELF_BYTES / BUF_SHELF_LARGEST);
    buf_unshelve(&large, &shelf);
    assert_int_equal(large.cap, BUF_SHELF_LARGEST);
    shelve_large(&shelf, 2); /* there is room for one again */
    assert_int_equal(shelf.n, BUF_SHELF_BYTES / BUF_SHELF_LARGEST);
    buf_shelf_fini(&shelf);
    buf_fini(&large);
    assert_int_equal(buf_memory(), before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_goes_round),
        cmocka_unit_test(test_shelves_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
