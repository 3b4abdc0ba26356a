/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_UNIT_CONF_FIXTURE_H
#define SEXTANT_TEST_UNIT_CONF_FIXTURE_H

/* An environment given as an array of strings, read and parsed; what was said about it as one text. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/partition_map.h"
#include "proxy/base/mem.h"

struct fixture {
    struct arena arena;
    struct conf_issues issues;
    struct conf *conf;
    struct topology *topology;
    struct partition_map *map;
};

static inline void
fixture_conf(struct fixture *f, const char *const *env)
{
    *f = (struct fixture){ .conf = NULL };
    f->issues.arena = &f->arena;
    f->conf = conf_load((char **)(uintptr_t)env, &f->issues);
}

static inline void
fixture_map(struct fixture *f, const char *const *env)
{
    fixture_conf(f, env);
    f->topology = topology_parse(f->conf, &f->arena, &f->issues);
    f->map = partition_map_parse(f->conf, f->topology, &f->arena, &f->issues);
}

/* Every line of what is printed, no more and no less. */
static inline void
fixture_says(const struct fixture *f, const char *expected)
{
    struct buf out = { 0 };
    char *text;

    conf_issues_print(&f->issues, &out);
    text = buf_take(&out);
    assert_string_equal(text ? text : "", expected);
    mem_free(text);
}

static inline void
fixture_fini(struct fixture *f)
{
    conf_free(f->conf);
    arena_fini(&f->arena);
}

#define assert_str_equal(s, literal) \
    do { \
        struct str got_ = (s); \
        struct str want_ = str_from(literal); \
        if (!str_eq(got_, want_)) \
            fail_msg("\"" STR_FMT "\" is not \"%s\"", STR_ARG(got_), literal); \
    } while (0)

#endif
