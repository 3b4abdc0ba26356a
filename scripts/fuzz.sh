#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh SECONDS FUZZER…: run libFuzzer binaries, as many at a time as there are processors, each for so long, each from the seeds in
# test/fuzz/corpus/NAME (NAME without fuzz_). What it learns stays in BUILD/fuzz/corpus/NAME; make fuzz-keep merges it.
# A finding fails the run and leaves its input as BUILD/fuzz/NAME-crash-…; run the fuzzer with that file to see it again.
# FUZZ_SEED makes a short run repeatable; FUZZ_TIMEOUT is how many seconds one input may take, more on a machine that is busy.
# Ends in "N passed, N failed" (fuzzers).
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
seconds=$1 && shift
build=${BUILD:-build}

fuzz_one() { # fuzz_one FUZZER: prints what came of it
    local name log seeds learnt dirs options code runs
    name=$(basename "$1") && name=${name#fuzz_}
    seeds=test/fuzz/corpus/$name
    learnt=$build/fuzz/corpus/$name
    log=$build/fuzz/$name.log
    [ -z "${FUZZ_SEED:-}" ] || rm -rf "$learnt"
    mkdir -p "$learnt"
    dirs=("$learnt")
    [ -d "$seeds" ] && dirs+=("$seeds")
    options=(-max_total_time="$seconds" -timeout="${FUZZ_TIMEOUT:-5}" -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$build/fuzz/$name-")
    [ -z "${FUZZ_SEED:-}" ] || options+=(-seed="$FUZZ_SEED")
    [ -f "test/fuzz/$name.dict" ] && options+=(-dict="test/fuzz/$name.dict")
    timeout -k 5 $((seconds + 120)) "$1" "${options[@]}" "${dirs[@]}" >"$log" 2>&1 </dev/null
    code=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    if [ $code -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
        echo "fuzz $name: $runs inputs in $seconds s, $(find "$learnt" -type f | wc -l) kept"
    else
        echo "FAILED fuzz $name (exit $code, ${runs:-no} inputs):"
        grep -vE '^#[0-9]+' "$log" | tail -60
    fi
}

running=0
for fuzzer in "$@"; do
    [ $running -lt "$(cores)" ] || { wait -n && running=$((running - 1)); }
    fuzz_one "$fuzzer" >"$build/fuzz/$(basename "$fuzzer").result" &
    running=$((running + 1))
done
wait
for fuzzer in "$@"; do
    cat "$build/fuzz/$(basename "$fuzzer").result"
done
failed=$(cat "${@/%/.result}" | grep -c '^FAILED')
echo "$(($# - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
