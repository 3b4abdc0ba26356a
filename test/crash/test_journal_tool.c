/* SPDX-License-Identifier: Apache-2.0
 *
 * sextant journal verify and dump: what they print of a journal, of a copy of one, and of a damaged copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/store/tool.h"
#include "test/crash/journal_lib.h"

static struct fixture f, copy;
static char out[256 * 1024], err[4096];

static int
begin(void **state)
{
    if (fixture_begin(&f) || fixture_begin(&copy) || fixture_open(&f))
        return -1;
    fixture_append_all(&f, 40, 3000);
    fixture_checkpoint(&f, 30);
    fixture_append_all(&f, 2, 10);
    copy_files(f.dir, copy.dir);
    return 0;
}

static int
end(void **state)
{
    return fixture_end(&copy) + fixture_end(&f);
}

static int
to_file(int fd, FILE *to)
{
    int before = dup(fd);

    fflush(NULL);
    dup2(fileno(to), fd);
    return before;
}

static void
from_file(int fd, int before, FILE *from, char *text, size_t room)
{
    size_t n;

    fflush(NULL);
    dup2(before, fd);
    close(before);
    rewind(from);
    n = fread(text, 1, room - 1, from);
    text[n] = '\0';
    fclose(from);
}

/* Its exit code; what it printed is in `out` and `err`. */
static int
run(const char *command, const char *dir, const char *option, const char *value)
{
    char *argv[4] = { (char *)(uintptr_t)command, (char *)(uintptr_t)dir, (char *)(uintptr_t)option,
        (char *)(uintptr_t)value };
    FILE *out_file = tmpfile(), *err_file = tmpfile();
    int argc = value ? 4 : option ? 3 : dir ? 2 : 1, code, before_out, before_err;

    assert_true(out_file && err_file);
    before_out = to_file(1, out_file);
    before_err = to_file(2, err_file);
    code = journal_command(argc, argv);
    from_file(1, before_out, out_file, out, sizeof(out));
    from_file(2, before_err, err_file, err, sizeof(err));
    return code;
}

static unsigned
lines(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void
test_verify_of_a_whole_journal(void **state)
{
    assert_int_equal(run("verify", copy.dir, NULL, NULL), 0);
    assert_non_null(strstr(out, "segment-0000000000000001.log  LSN 1 to "));
    assert_non_null(strstr(out, "; from offset "));
    assert_non_null(strstr(out, "checkpoint-1  number 1, covers LSN 30, 1000 bytes\n"));
    assert_non_null(strstr(out, "\nwhole: LSN 1 to 42\n"));
    assert_string_equal(err, "");
    assert_int_equal(run("verify", f.dir, NULL, NULL), 0); /* also while it is in use */
}

static void
test_verify_says_what_is_wrong_where(void **state)
{
    char c = 1;

    file_put(copy.dir, "segment-0000000000000001.log", 4096 + 64 + 500, str_make(&c, 1));
    file_put(copy.dir, "checkpoint-1", 100, str_make(&c, 1));
    assert_int_equal(run("verify", copy.dir, NULL, NULL), 1);
    assert_non_null(strstr(err, "segment-0000000000000001.log: offset 4096: LSN 1 cannot be read: the sum of the "
                                "record's payload is wrong; the next segment begins with LSN "));
    assert_non_null(strstr(err, "checkpoint-1: the sum of its content is wrong"));
    assert_int_equal(lines(err), 2);
    assert_non_null(strstr(out, "segment-0000000000000002.log  LSN ")); /* it goes on behind that */
    assert_null(strstr(out, "whole"));
}

static void
test_dump(void **state)
{
    assert_int_equal(run("dump", copy.dir, NULL, NULL), 0);
    assert_int_equal(lines(out), 42);
    assert_non_null(strstr(out, "\n40  kind 41  of 20  3000 bytes  "));
    assert_int_equal(run("dump", copy.dir, "--from", "41"), 0);
    assert_int_equal(lines(out), 2);
    assert_int_equal(run("dump", copy.dir, "--from=42", "--json"), 0);
    assert_int_equal(lines(out), 1);
    assert_non_null(strstr(out, "{\"lsn\":42,\"kind\":43,\"ref\":21,\"time\":\"20"));
    /* Record 42: ten bytes, 42 * 131 + 7 i. */
    assert_non_null(strstr(out, ",\"start\":1,\"bytes\":10,\"payload\":\"foWMk5qhqK-2vQ\"}\n"));
}

static void
test_wrong_command_lines(void **state)
{
    assert_int_equal(run("verify", NULL, NULL, NULL), 2);
    assert_int_equal(run("repair", copy.dir, NULL, NULL), 2);
    assert_int_equal(run("verify", copy.dir, "--json", NULL), 2);
    assert_int_equal(run("dump", copy.dir, "--from", NULL), 2);
    assert_int_equal(run("dump", copy.dir, "--from", "x"), 2);
    assert_non_null(strstr(err, "--from takes the number of a record"));
    assert_int_equal(run("verify", "/nonexistent", NULL, NULL), 1);
    remove_files(copy.dir);
    assert_int_equal(run("verify", copy.dir, NULL, NULL), 1);
    assert_non_null(strstr(err, "there is no journal"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verify_of_a_whole_journal, begin, end),
        cmocka_unit_test_setup_teardown(test_verify_says_what_is_wrong_where, begin, end),
        cmocka_unit_test_setup_teardown(test_dump, begin, end),
        cmocka_unit_test_setup_teardown(test_wrong_command_lines, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
