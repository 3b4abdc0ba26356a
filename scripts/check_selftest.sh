#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A check that cannot fail is a defect: each case lays a tiny tree with one fault and expects the complaint about it; the same
# tree without the fault must pass. Run by check.sh; the last line is "N passed, N failed".
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
passed=0 failed=0
spdx='/* SPDX-License-Identifier: Apache-2.0 */'

tree() { # a new empty tree
    rm -rf "$work/tree" && mkdir -p "$work/tree" && cd "$work/tree" || exit 1
}

file() { # file PATH, text from stdin, the SPDX line on top
    mkdir -p "$(dirname "$1")"
    { [ "${2:-}" = bare ] || echo "$spdx" && cat; } >"$1"
}

expect() { # expect NAME PART REGEX ('' means: passes)
    local out code
    if [ "$2" = rules ]; then
        out=$(python3 "$here/check_rules.py" "$work/tree" 2>&1)
    else
        out=$("$here/check.sh" --root "$work/tree" "$2" 2>&1)
    fi
    code=$?
    if { [ -z "$3" ] && [ $code -eq 0 ]; } || { [ -n "$3" ] && [ $code -ne 0 ] && grep -qE "$3" <<<"$out"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED %s: expected %s, got (exit %s):\n%s\n' "$1" "${3:-no complaint}" $code "$out"
    fi
}

lines() { # lines N TEXT: N times
    for ((i = 0; i < $1; i++)); do echo "$2"; done
}

function_of() { # a formatted function whose size by our measure is N
    printf 'int\nf(int a)\n{\n'
    lines $(($1 - 4)) '    a++;'
    printf '    return a;\n}\n'
}

one() { # one NAME PATH REGEX: a tree of one file from stdin, judged by the rules
    tree && file "$2" && expect "$1" rules "$3"
}

one 'clean file' geoip/geo_trie.c '' <<<'#include "proxy/base/str.h"'
one 'layer upward' proxy/base/a.c 'base/a.c:2: layer: proxy/base may not include conf' <<<'#include "conf/conf.h"'
one 'layer sideways' proxy/http/a.c 'layer: proxy/http may not include proxy/net' <<<'#include "proxy/net/loop.h"'
one 'include without its path' conf/a.c 'layer: include "conf.h" by its full path' <<<'#include "conf.h"'
one 'folder without a layer' proxy/new/a.c 'layer: the folder proxy/new has no layer' <<<'#include "proxy/base/str.h"'
one 'library in its place' proxy/net/loop.c '' <<<'#include <event2/event.h>'
one 'libevent outside net' proxy/flow/a.c 'library: only proxy/net/ may' <<<'#include <event2/event.h>'
one 'c-ares outside the resolver' proxy/net/loop.c 'library: only proxy/net/resolver.c' <<<'#include <ares.h>'
one 'llhttp outside the parser' proxy/http/h1_write.c 'library: only proxy/http/h1_parse.c' <<<'#include <llhttp.h>'
one 'yyjson outside json.c' proxy/route/merge.c 'library: only proxy/base/json.c' <<<'#include <yyjson.h>'
one 'maxminddb outside geo_db' geoip/geo_trie.c 'library: only geoip/geo_db.c' <<<'#include <maxminddb.h>'
one 'zlib outside coding' proxy/http/message.c 'library: only proxy/http/coding.c' <<<'#include <zlib.h>'
one 'a log of others in the product' proxy/store/a.c 'library: only test/bench/' <<<'#include <sqlite3.h>'
one 'unknown library' proxy/base/a.c 'library: <curl/curl.h> is neither' <<<'#include <curl/curl.h>'
for name in sprintf strcpy strcat strtok atoi rand localtime system popen usleep; do
    one "banned $name" proxy/base/a.c "banned: $name is banned" <<<"    x = $name(y);"
done
one 'banned in a comment is no call' proxy/base/a.c '' <<<'int a; /* not sprintf(x) */ const char *b = "system(x)";'
one 'banned after an operator' conf/a.c 'banned: rand is banned' <<<'    x = 2 * rand();'
one 'banned in a macro' conf/a.c 'banned: atoi is banned' <<<'#define NUMBER(x) atoi(x)'
one 'a function of another name' proxy/base/a.c '' <<<'    mem_free(x); y = str_rand(z); w->system(1);'
one 'getenv outside conf' proxy/base/a.c 'getenv: getenv outside conf/' <<<'    x = getenv("A");'
one 'getenv inside conf' conf/a.c '' <<<'    x = getenv("A");'
for name in malloc calloc realloc free strdup; do
    one "heap $name" conf/a.c "heap: $name outside proxy/base" <<<"    $name(x);"
done
one 'heap in base' proxy/base/mem.c '' <<<'    free(x);'
one '#if outside base' conf/a.c 'if: #ifdef outside proxy/base' <<<'#ifdef A'
one '#if in a header' conf/a.h 'if: #if outside proxy/base' <<<$'#ifndef SEXTANT_CONF_A_H\n#define SEXTANT_CONF_A_H\n#if A\n#endif\n#endif'
one 'guard' conf/a.h 'guard: guard SEXTANT_CONF_A_H missing' <<<$'#ifndef SEXTANT_CONF_B_H\n#define SEXTANT_CONF_B_H\n#endif'
one 'I/O in a pure file' proxy/route/plan.c 'pure: socket in a pure file' <<<'    fd = socket(1, 2, 3);'
one 'clock in a pure file' geoip/geo_trie.c 'pure: proxy/base/clock.h in a pure file' <<<'#include "proxy/base/clock.h"'
one 'private path' README.md 'private: "/roo[t]/" belongs' <<<"see /roo""t/x"
one 'registry host' docs/a.md 'private: "pypi' <<<"from pypi"".org"
one 'function at the limit' conf/a.c '' < <(function_of 60)
one 'function over the limit' conf/a.c 'limit: function conf/a.c:f is 61, the limit is 60' < <(function_of 61)
one 'file over the limit' conf/a.c 'limit: file conf/a.c is 501' < <(lines 500 'int a;')
one 'header over the limit' conf/a.h 'limit: header conf/a.h is 203' \
    < <(printf '#ifndef SEXTANT_CONF_A_H\n#define SEXTANT_CONF_A_H\n' && lines 199 'int a;' && echo '#endif')
one 'nesting at the limit' conf/a.c '' <<'E_C'
void
f(int a)
{
    for (;;) {
        switch (a) {
        case 1:
            if (a)
                a++;
            call(a,
                        b);
        }
    }
}
E_C
one 'nesting over the limit, without braces' conf/a.c 'limit: nesting conf/a.c:f is 4' <<'E_C'
void
f(int a)
{
    for (;;)
        while (a &&
            b)
            if (a)
                if (b)
                    a++;
}
E_C

exception() { # exception NAME LINE REGEX: a function of 70 lines with this line in limits.txt
    tree && file conf/a.c < <(function_of 70) && file scripts/limits.txt bare <<<"$2" && expect "$1" rules "$3"
}
exception 'an exception' 'function conf/a.c:f 70 a flat switch over all kinds' ''
exception 'an exception without a reason' 'function conf/a.c:f 70' 'an exception is: KIND WHAT VALUE REASON'
exception 'an exception that can shrink' 'function conf/a.c:f 80 reason' 'is 70 now: lower the exception to 70'
exception 'an exception outgrown' 'function conf/a.c:f 65 reason' 'is 70, its exception ends at 65'
exception 'an exception beyond all' 'function conf/a.c:f 200 reason' 'no function goes beyond'
exception 'an exception for nothing' $'function conf/a.c:f 70 reason\nfile conf/b.c 510 reason' 'conf/b.c does not exist: remove'

tree && file conf/a.c bare <<<'int a;' && expect 'no SPDX line' rules 'spdx: no SPDX'
tree && file scripts/a.sh bare <<<'true' && expect 'no SPDX line in a script' rules 'spdx: no SPDX'

cp "$here/../.clang-format" "$work/clang-format"
tree && cp "$work/clang-format" .clang-format && file conf/a.c <<<'int  a;' && expect 'format' format 'conf/a.c:2.*not formatted'
tree && cp "$work/clang-format" .clang-format && file conf/a.c <<<'int a;' && expect 'format of a good file' format ''
tree && file a.sh <<<$'#!/bin/sh\nrm $1' && expect 'shellcheck' shell 'SC2086'
tree && file conf/a.c <<<$'int f(void);\nint\nf(void)\n{\n    int a[2];\n    a[2] = 0;\n    return a[0];\n}' &&
    expect 'cppcheck' cppcheck 'arrayIndexOutOfBounds'
tree && file conf/a.c <<<$'int f(int a);\nint\nf(int a)\n{\n    if (a);\n    return 1;\n}' && expect 'clang-tidy' tidy 'bugprone-suspicious-semicolon'
tree && file conf/a.c <<<$'int f(int a);\nint\nf(int a)\n{\n    return b;\n}' && expect 'a file that does not compile' tidy 'undeclared'

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
