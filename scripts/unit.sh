#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run unit test binaries (cmocka) one after another; a failing one's output is printed whole. Ends in
# "N passed, N failed" (cases).
#
# A case is what cmocka announces with [ RUN ] on its standard output. It passed if [ OK ] follows, and counts for nothing if
# [ SKIPPED ] does; anything else is a failure: FAILED, ERROR, a crash, an exit in the middle. A binary that ran no case, or
# exits non-zero with all its cases passed (a leak, a group's set-up), is one failure too.
set -u
limit=${UNIT_TIMEOUT:-120}
passed=0 failed=0
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT

count() { grep -c "^\[ *$1 *\]" "$out/stdout"; }

for test in "$@"; do
    timeout -k 5 "$limit" "$test" >"$out/stdout" 2>"$out/stderr" </dev/null
    code=$?
    ran=$(count RUN) ok=$(count OK) skipped=$(count SKIPPED)
    bad=$((ran - ok - skipped))
    if [ $bad -le 0 ]; then
        bad=0
        if [ $code -ne 0 ] || [ "$ran" -eq 0 ]; then bad=1; fi
    fi
    passed=$((passed + ok)) failed=$((failed + bad))
    if [ $bad -gt 0 ]; then
        why="exit $code"
        [ $code -eq 124 ] && why="still running after $limit s"
        [ "$ran" -gt 0 ] || why="$why, ran no case"
        echo "FAILED ${test##*/test/} ($why)"
        cat "$out/stdout" "$out/stderr"
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
