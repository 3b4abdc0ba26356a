/* SPDX-License-Identifier: Apache-2.0
 *
 * options_md   prints conf/OPTIONS.md from conf/options.def
 */
#include <stdio.h>

#include "conf/conf.h"

int
main(void)
{
    struct buf out = { 0 };

    conf_print_markdown(&out);
    fwrite(buf_str(&out).p, 1, buf_len(&out), stdout);
    buf_fini(&out);
    return 0;
}
