/* SPDX-License-Identifier: Apache-2.0
 *
 * Forwarding headers: nothing that a stranger wrote changes how the element that a trusted proxy appended is read.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/route/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
parse(const char *header, struct str value, struct hops *ret_hops)
{
    struct field fields[1] = { { .name = str_from(header), .value = value } };
    struct message m = { .fields = fields, .n_fields = 1 };

    forwarded_parse(&m, str_from(header), ret_hops);
    assert(ret_hops->n <= HOPS_MAX);
}

static void
check_appended(const char *header, struct str stranger, struct str appended)
{
    static const struct addr ours = { .family = 4, .bytes = { 192, 0, 2, 7 } };
    char *copy = malloc(stranger.len + appended.len + 1);
    struct hops hops;

    memcpy(copy, stranger.p, stranger.len);
    memcpy(copy + stranger.len, appended.p, appended.len);
    parse(header, str_make(copy, stranger.len + appended.len), &hops);
    assert(hops.n > 0 && addr_eq(&hops.addrs[0], &ours));
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = str_make((const char *)data, size);
    struct hops hops;

    parse("x-forwarded-for", value, &hops);
    parse("forwarded", value, &hops);
    check_appended("x-forwarded-for", value, STR(", 192.0.2.7"));
    check_appended("forwarded", value, STR(", for=192.0.2.7"));
    check_appended("forwarded", value, STR(", for=\"192.0.2.7:80\";proto=http;host=\"a,b;for=x\""));
    return 0;
}
