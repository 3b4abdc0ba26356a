#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Run unit test binaries (cmocka), as many at a time as there are processors; a failing one's output is printed whole. Ends in
# "N passed, N failed" (cases).
#
# A case is what cmocka announces with [ RUN ] on its standard output. It passed if [ OK ] follows, and counts for nothing if
# [ SKIPPED ] does; anything else is a failure: FAILED, ERROR, a crash, an exit in the middle. A binary that ran no case, or
# exits non-zero with all its cases passed (a leak, a group's set-up), is one failure too.
set -u
here=$(dirname "$0")
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"
limit=${UNIT_TIMEOUT:-120}
passed=0 failed=0 running=0
out=$(mktemp -d) && trap 'rm -rf "$out"' EXIT

count() { grep -c "^\[ *$1 *\]" "$2"; }
run() { # run PROGRAM NUMBER
    timeout -k 5 "$limit" "$1" >"$out/$2.stdout" 2>"$out/$2.stderr" </dev/null
    echo $? >"$out/$2.code"
}

number=0
for test in "$@"; do
    [ $running -lt "$(cores)" ] || { wait -n && running=$((running - 1)); }
    run "$test" $number &
    running=$((running + 1)) number=$((number + 1))
done
wait

number=0
for test in "$@"; do
    stdout=$out/$number.stdout stderr=$out/$number.stderr code=$(cat "$out/$number.code")
    number=$((number + 1))
    ran=$(count RUN "$stdout") ok=$(count OK "$stdout") skipped=$(count SKIPPED "$stdout")
    bad=$((ran - ok - skipped))
    if [ $bad -le 0 ]; then
        bad=0
        if [ "$code" -ne 0 ] || [ "$ran" -eq 0 ]; then bad=1; fi
    fi
    passed=$((passed + ok)) failed=$((failed + bad))
    if [ $bad -gt 0 ]; then
        why="exit $code"
        [ "$code" -eq 124 ] && why="still running after $limit s"
        [ "$ran" -gt 0 ] || why="$why, ran no case"
        echo "FAILED ${test##*/test/} ($why)"
        cat "$stdout" "$stderr"
    fi
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
