#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz_keep.sh FUZZER…: what earlier runs of each fuzzer learnt (BUILD/fuzz/corpus/NAME) becomes part of the kept corpus
# test/fuzz/corpus/NAME. Of both, libFuzzer keeps the fewest inputs that reach as much; files with names that a person gave
# stay whatever it says. No input over 4 KiB (databases: 64 KiB), and all corpora together stay under 2 MB. Review and commit
# the result. Ends in "N passed, N failed" (fuzzers).
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
build=${BUILD:-build}
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
passed=0 failed=0
for fuzzer in "$@"; do
    name=$(basename "$fuzzer") && name=${name#fuzz_}
    kept=test/fuzz/corpus/$name learnt=$build/fuzz/corpus/$name
    longest=4096
    [ "$name" != mmdb ] || longest=65536
    mkdir -p "$kept" "$learnt" "$work/$name/in" "$work/$name/out"
    find "$kept" "$learnt" -type f -size -$((longest + 1))c -exec cp -t "$work/$name/in" {} +
    if ! "$fuzzer" -set_cover_merge=1 "$work/$name/out" "$work/$name/in" >"$work/log" 2>&1 </dev/null; then
        failed=$((failed + 1))
        echo "FAILED keep $name:"
        tail -30 "$work/log"
        continue
    fi
    # libFuzzer names its files by their hash: those are replaced, others kept.
    find "$kept" -type f | grep -E '/[0-9a-f]{40}$' | xargs -r rm --
    cp -n "$work/$name/out"/* "$kept"/ 2>/dev/null
    passed=$((passed + 1))
    echo "keep $name: $(find "$kept" -type f | wc -l) inputs, $(du -sb "$kept" | cut -f1) bytes"
done
all=$(find test/fuzz/corpus -type f -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }')
[ "$all" -le 2000000 ] || die "the corpora have $all bytes, more than 2 MB"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
