/* SPDX-License-Identifier: Apache-2.0
 *
 * An env file of any bytes. Beyond not crashing: what was loaded without a mistake prints as an env file that loads without
 * one and prints the same. Lines that name files are passed over, as they would make runs differ.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/conf.h"

static void
check(bool holds)
{
    if (!holds)
        abort();
}

static struct conf *
load(struct str text, struct conf_issues *issues)
{
    int fd = memfd_create("env", 0);
    char variable[64];
    char *env[] = { variable, NULL };
    struct conf *conf;

    check(fd >= 0 && write(fd, text.p, text.len) == (ssize_t)text.len);
    snprintf(variable, sizeof(variable), "SEXTANT_ENV_FILE=/proc/self/fd/%d", fd);
    conf = conf_load(env, issues);
    close(fd);
    return conf;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct conf_issues issues = { .arena = &arena }, again_issues = { .arena = &arena };
    struct buf first = { 0 }, second = { 0 };
    struct conf *conf, *again;

    if (size == 0 || memmem(data, size, "_FILE", 5) || memchr(data, '/', size))
        return 0;
    conf = load(str_make((const char *)data, size), &issues);
    conf_issues_print(&issues, &first);
    buf_clear(&first);
    conf_print_env(conf, &first);
    again = load(buf_str(&first), &again_issues);
    conf_print_env(again, &second);
    check(issues.n_errors != 0 || again_issues.n_errors == 0);
    check(issues.n_errors != 0 || str_eq(buf_str(&first), buf_str(&second)));
    buf_clear(&second);
    conf_print_json(conf, &second);
    conf_print_restart_needed(conf, again, true, &second);
    buf_fini(&first);
    buf_fini(&second);
    conf_free(conf);
    conf_free(again);
    arena_fini(&arena);
    return 0;
}
