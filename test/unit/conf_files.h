/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_CONF_FILES_H
#define SEXTANT_TEST_UNIT_CONF_FILES_H

/* A folder of its own for tests that need files. */

#include "test/unit/conf_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static inline int
make_folder(void **state)
{
    snprintf(folder, sizeof(folder), "/tmp/sextant-conf-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int
remove_folder(void **state)
{
    static const char *const names[] = { "env", "map", "value", "big", "binary", "folder" };
    char path[128];

    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
    return rmdir(folder);
}

static inline const char *
write_file(const char *name, const char *bytes, size_t len)
{
    static char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fwrite(bytes, 1, len, file) == len);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* Texts of these tests name files as %s; `text` is one of them with the folder put in. */
static inline struct str
in_folder(struct arena *a, const char *text)
{
    struct buf out = { 0 };
    struct str copy;

    for (; *text; text++) {
        if (text[0] == '%' && text[1] == 's') {
            buf_add(&out, str_from(folder));
            text++;
        } else {
            buf_putc(&out, *text);
        }
    }
    copy = arena_str(a, buf_str(&out));
    buf_fini(&out);
    return copy;
}

#endif
