#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# e2e_sanitized.sh asan|tsan [PYTEST ARGUMENT…]: the end-to-end tests against the binary that make built in BUILD-asan or
# BUILD-tsan; without arguments all of them, the long forms apart. A report of the sanitizer fails the run, also one of a
# process that a test killed or whose exit code it did not look at. The last line is pytest's.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
kind=$1 && shift
build=$PWD/${BUILD:-build}-$kind
[ -x "$build/sextant" ] || die "no $build/sextant: make e2e-$kind builds it"
[ $# -gt 0 ] || set -- test
reports=$(mktemp -d) && trap 'rm -rf "$reports"' EXIT
export SEXTANT_BIN=$build/sextant
# The test of clocks that jump preloads a library of its own, which then comes before ASan's.
export ASAN_OPTIONS=verify_asan_link_order=0:log_path=$reports/asan:${ASAN_OPTIONS:-} UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports/ubsan:${UBSAN_OPTIONS:-}
export TSAN_OPTIONS=log_path=$reports/tsan:${TSAN_OPTIONS:-}
build/venv/bin/python -m pytest -q -m 'not soak' -p no:cacheprovider "$@" >"$reports/pytest" 2>&1 </dev/null
code=$?
found=$(find "$reports" -name '*san.*')
if [ -n "$found" ]; then
    code=1
    # shellcheck disable=SC2086
    cat $found
fi
cat "$reports/pytest"
exit $code
