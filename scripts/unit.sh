#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Run unit test binaries one after another; their failures are printed whole. Ends in "N passed, N failed" (cases).
set -u
passed=0 failed=0
out=$(mktemp) && trap 'rm -f "$out"' EXIT
for test in "$@"; do
    timeout 120 "$test" >"$out" 2>&1
    code=$?
    ok=$(grep -c '^\[       OK \]' "$out")
    bad=$(grep -c '^\[  FAILED  \].*[a-z_0-9]$' "$out")
    if [ $code -ne 0 ]; then
        [ "$bad" -gt 0 ] && bad=$((bad / 2))
        [ "$bad" -gt 0 ] || bad=1
        failed=$((failed + bad))
        echo "FAILED ${test#*/test/} (exit $code)"
        cat "$out"
    fi
    passed=$((passed + ok))
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
