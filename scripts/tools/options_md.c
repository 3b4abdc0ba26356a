/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints conf/OPTIONS.md; `make options` writes it.
 */
#include <stdio.h>

#include "conf/conf.h"

int
main(void)
{
    struct buf out = { 0 };
    size_t n;

    conf_print_markdown(&out);
    n = fwrite(buf_str(&out).p, 1, buf_len(&out), stdout);
    n = fflush(stdout) == 0 && n == buf_len(&out);
    buf_fini(&out);
    return n ? 0 : 1;
}
