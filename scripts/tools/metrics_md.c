/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints docs/metrics.md; `make metrics-doc` writes it.
 */
#include <stdio.h>

#include "proxy/admin/admin.h"

int
main(void)
{
    struct metrics_labels labels = admin_metrics_labels(NULL);
    struct buf out = { 0 };
    size_t n;

    metrics_print_markdown(&labels, &out);
    n = fwrite(buf_str(&out).p, 1, buf_len(&out), stdout);
    n = fflush(stdout) == 0 && n == buf_len(&out);
    buf_fini(&out);
    return n ? 0 : 1;
}
