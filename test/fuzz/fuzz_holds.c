/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of overrides: what is taken is printed as it stood there, to the byte, and every target of it is found again. And
 * whatever text an override holds, a terminal gets nothing that it would obey.
 */
#include <assert.h>
#include <stddef.h>

#include "proxy/ctl/table.h"
#include "proxy/route/hold.h"

static void
check_escape(struct str s)
{
    struct buf out = { 0 };
    struct str text;

    text_escape(s, false, &out);
    text = buf_str(&out);
    for (size_t i = 0; i < text.len;) {
        size_t len = str_utf8_len(str_skip(text, i));

        assert(len > 0 && (unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f);
        assert(len != 2 || (unsigned char)text.p[i] != 0xc2 || (unsigned char)text.p[i + 1] >= 0xa0);
        i += len;
    }
    buf_fini(&out);
}

static void
check_taken(const struct holds *h, struct str text)
{
    struct buf printed = { 0 }, target = { 0 };

    holds_print(h, &printed);
    assert(str_eq(buf_str(&printed), text));
    for (unsigned i = 0; i < h->n; i++) {
        struct str cluster;
        unsigned endpoint;

        assert(holds_find(h, h->items[i].cluster, h->items[i].endpoint) == &h->items[i]);
        buf_clear(&target);
        hold_target_print(&h->items[i], &target);
        if (str_find(h->items[i].cluster, '/') < 0)
            assert(hold_target_parse(buf_str(&target), &cluster, &endpoint) && endpoint == h->items[i].endpoint);
    }
    buf_fini(&printed);
    buf_fini(&target);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    const char *error = NULL;
    struct holds *h = holds_parse(text, &error);

    assert((h != NULL) == (error == NULL));
    if (h)
        check_taken(h, text);
    holds_free(h);
    check_escape(text);
    return 0;
}
