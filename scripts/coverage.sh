#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# coverage.sh: how many lines of each parser the unit tests and the kept corpora of the fuzzers reach, by gcov. `make coverage`
# built both in BUILD with --coverage; they run here. Prints a table, the worst first, and ends in "N passed, N failed"
# (files): one below COVERAGE_LEAST (90) percent has failed. BUILD/coverage/FILE.gcov shows which lines were not reached.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
build=${BUILD:-build-cov} least=${COVERAGE_LEAST:-90}
# Everything that reads bytes from outside.
parsers=(proxy/base/{json,json_text,addr,str}.c conf/*.c geoip/{geo_db,mmdb_}*.c proxy/net/proxy_protocol.c proxy/http/*.c
    proxy/route/{path,operation,body_names,forwarded,token,stamp}.c proxy/upstream/reach.c proxy/sync/{state,outcome}.c)

find "$build" -name '*.gcda' -delete
mapfile -t tests < <(find "$build/test" -name 'test_*' -type f -perm -u+x | sort)
mapfile -t fuzzers < <(find "$build/replay" -name 'fuzz_*' -type f -perm -u+x | sort)
scripts/unit.sh "${tests[@]}" >"$build/unit.log" 2>&1 || warn "unit tests failed, see $build/unit.log"
for fuzzer in "${fuzzers[@]}"; do
    name=${fuzzer##*/fuzz_}
    "$fuzzer" "test/fuzz/corpus/$name" >"$build/replay.log" 2>&1 || { cat "$build/replay.log" && die "the corpus of $name makes it fail"; }
done

mkdir -p "$build/coverage"
for source in "${parsers[@]}"; do
    gcov -r -o "$build/obj/${source%.c}.gcda" "$source" >"$build/gcov.log" 2>&1 || { cat "$build/gcov.log" && die "gcov failed on $source"; }
    mv "$(basename "$source").gcov" "$build/coverage/" 2>/dev/null || continue # nothing in it but tables
    rm -f ./*.gcov
    awk -F: -v source="$source" '$2 + 0 && $1 !~ /-/ { lines++; if ($1 !~ /[#=]/) reached++ }
        END { if (lines) printf "%6.1f %%  %4d of %4d  %s\n", 100 * reached / lines, reached, lines, source }' \
        "$build/coverage/$(basename "$source").gcov"
done | sort -n | tee "$build/coverage.txt"
awk -v least="$least" '{ $1 < least ? failed++ : passed++ } END { printf "%d passed, %d failed\n", passed, failed; exit !passed || failed }' "$build/coverage.txt"
