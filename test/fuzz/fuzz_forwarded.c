/* SPDX-License-Identifier: Apache-2.0
 *
 * Forwarding headers: whatever stands there, hops are slices of the input, at most HOPS_MAX, and what a trusted proxy
 * appends to the value of a stranger is either read as it is or the whole value is unknown: never another address.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/route/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_slices(struct str value, const struct hops *hops)
{
    assert(hops->n <= HOPS_MAX);
    for (unsigned i = 0; i < hops->n; i++) {
        struct str node = hops->nodes[i];
        struct addr a;

        assert(node.len == 0 || (node.p >= value.p && node.p + node.len <= value.p + value.len));
        (void)hop_address(node, &a);
    }
}

static void
check_appended(struct str stranger, struct str appended, void (*parse)(struct str, struct hops *))
{
    static const struct addr ours = { .family = 4, .bytes = { 192, 0, 2, 7 } };
    char *copy = malloc(stranger.len + appended.len + 1);
    struct str value = str_make(copy, stranger.len + appended.len);
    struct hops hops;
    struct addr a;

    memcpy(copy, stranger.p, stranger.len);
    memcpy(copy + stranger.len, appended.p, appended.len);
    parse(value, &hops);
    check_slices(value, &hops);
    assert(hops.n > 0);
    assert(!hop_address(hops.nodes[0], &a) || addr_eq(&a, &ours));
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str value = str_make((const char *)data, size);
    struct hops hops;

    hops_parse_list(value, &hops);
    check_slices(value, &hops);
    hops_parse_forwarded(value, &hops);
    check_slices(value, &hops);
    check_appended(value, STR(", 192.0.2.7"), hops_parse_list);
    check_appended(value, STR(", for=192.0.2.7"), hops_parse_forwarded);
    check_appended(value, STR(", for=\"192.0.2.7:80\";proto=http"), hops_parse_forwarded);
    return 0;
}
