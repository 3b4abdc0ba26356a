#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every test, as it runs for each change: installs what the tests need, builds, then phase after phase. test.sh [PHASE…] runs
# some of them only. A phase says how long it took; what it printed is in build/test/PHASE.log and is shown when it fails. The last
# line is "N passed, N failed": cases where a phase counts cases, else the phase itself. Needs no input, no clock of its own
# and no free port of a given number. Under 30 minutes on two cores; make soak runs the long forms.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

export BUILD=${BUILD:-build}
jobs=$(cores)
all=(deps build check unit e2e bench budget asan sanitizers fuzz coverage)
passed=0 failed=0 skipped=0 failures=

phase_deps() { scripts/deps.sh build test check fuzz bench; }
phase_build() { make -j"$jobs" all unit-build; }
phase_check() { make check; }
phase_unit() { make -j"$jobs" unit; } # unit and flow
phase_asan() { make -j"$jobs" asan; }
phase_fuzz() { make -j"$jobs" fuzz-build && FUZZ_SEED=1 make fuzz FUZZ_SECONDS=4; }
# What has most to do with memory under ASan, with threads under TSan; make e2e-asan and e2e-tsan run the whole suite. One after
# the other: a test that compilers take the processors from is late.
phase_sanitizers() {
    timeout -k 10 480 make -s -j"$jobs" tsan &&
        timeout -k 10 300 make -s -j"$jobs" e2e-asan E2E="$(printf 'test/e2e/test_%s.py ' wire_table streaming differential)" &&
        timeout -k 10 300 make -s -j"$jobs" e2e-tsan E2E="$(printf 'test/e2e/test_%s.py ' reload orders restart)"
}
# That make bench works, whatever it finds: so short a run says nothing about costs.
phase_bench() { timeout -k 10 300 make -j"$jobs" bench BENCH_ARGS='--rounds 1 --seconds 0.2 --idle 200'; }
# What a request costs, against test/bench/budget.json.
phase_budget() { timeout -k 10 600 build/venv/bin/python test/bench/instructions.py --check; }
phase_coverage() { make -j"$jobs" coverage; }

# Golden files, the stand-in against its recordings, end to end: everything pytest finds below test/, the long forms apart.
# Tests of fan-out wait most of their time: three parts of them run side by side. Then come those of which some measure time, in
# two parts. What keeps a compiler or a search busy runs beside both, and leaves processors to the others first.
slow=(test/crash/test_models.py test/e2e/test_container.py)
crash=(test/crash/test_fanout_*.py test/e2e/test_{map_changes,tokens,touch}.py)
copies=(test/e2e/test_{claim,edges,fanout,fanout_restart,ship}.py)
walks=(test/e2e/test_{clock_jumps,restore,rewind,schema,walks}.py)
times=(test/e2e/test_{failover,fault_matrix,overload,page,restart,soak,streaming,tour,wire_table}.py)
pytest_part() { # pytest_part NAME ARGUMENT…
    local name=$1 && shift
    timeout -k 10 1200 build/venv/bin/python -m pytest -q -rfE -m 'not soak' -p no:cacheprovider "$@" >"$BUILD/test/pytest-$name.log" 2>&1
}
wait_for_all() { # wait_for_all PROCESS…
    local job code=0
    for job in "$@"; do
        wait "$job" || code=1
    done
    return $code
}
phase_e2e() {
    local code=0 part behind running=() apart=("${slow[@]}" "${crash[@]}" "${copies[@]}" "${walks[@]}" "${times[@]}") ok=0 bad=0 not_run=0
    [ -x "$BUILD/sextant" ] || warn "no $BUILD/sextant yet: tests that need it will fail"
    (renice -n 5 $BASHPID && pytest_part slow "${slow[@]}") & behind=$!
    pytest_part crash "${crash[@]}" & running+=($!)
    pytest_part copies "${copies[@]}" & running+=($!)
    pytest_part walks "${walks[@]}" & running+=($!)
    wait_for_all "${running[@]}" || code=1
    pytest_part times "${times[@]}" & running=($!)
    pytest_part others "${apart[@]/#/--ignore=}" test & running+=($!)
    wait_for_all "${running[@]}" "$behind" || code=1
    for part in slow crash copies walks times others; do
        cat "$BUILD/test/pytest-$part.log"
        ok=$((ok + $(count passed "$BUILD/test/pytest-$part.log")))
        bad=$((bad + $(count failed "$BUILD/test/pytest-$part.log") + $(count 'errors?' "$BUILD/test/pytest-$part.log")))
        not_run=$((not_run + $(count skipped "$BUILD/test/pytest-$part.log")))
    done
    echo "$bad failed, $ok passed, $not_run skipped"
    return $code
}

seconds_of_all=$SECONDS
minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# The number before WORD in the last line of FILE that counts cases ("N passed, N failed"; pytest: "1 failed, 4 passed in 2s").
count() { # count WORD FILE
    local n
    n=$(grep -E '(^|[ =])[0-9]+ (passed|failed|errors?)\b' "$2" | tail -1 | grep -oE "[0-9]+ $1" | grep -oE '^[0-9]+' | head -1)
    echo "${n:-0}"
}

run_phase() {
    local phase=$1 log=$BUILD/test/$1.log start=$SECONDS code ok bad not_run
    "phase_$phase" >"$log" 2>&1 </dev/null
    code=$?
    ok=$(count passed "$log")
    bad=$(($(count failed "$log") + $(count 'errors?' "$log")))
    not_run=$(count skipped "$log")
    skipped=$((skipped + not_run))
    case $phase in
    deps | build | bench) ok=$((code == 0)) bad=0 ;;
    budget) [ $((ok + bad + not_run)) -gt 0 ] || code=1 ;; # a compiler or machine that no budget was made for
    *) [ $((ok + bad)) -gt 0 ] || code=1 ;;                # a phase that ran nothing has not passed
    esac
    if [ "$code" -ne 0 ] && [ $bad -eq 0 ]; then bad=1; fi
    passed=$((passed + ok)) failed=$((failed + bad))
    if [ $bad -eq 0 ]; then
        say "$phase: $ok passed ($(minutes $((SECONDS - start))))"
    else
        say "$phase: $ok passed, $bad FAILED ($(minutes $((SECONDS - start)))), $log ends in:"
        tail -n 120 "$log"
        failures+=$(printf '\n%s:\n%s' "$phase" "$(grep -E '^(FAILED|ERROR|E  )|\*\*\*|SUMMARY|Assertion|runtime error|^Base64' "$log" | cut -c 1-200 | tail -n 20)")
    fi
    [ $bad -eq 0 ]
}

mkdir -p "$BUILD/test"
phases=("$@")
[ $# -gt 0 ] || phases=("${all[@]}")
for phase in "${phases[@]}"; do
    [[ " ${all[*]} " == *" $phase "* ]] || die "no phase called $phase: ${all[*]}"
    run_phase "$phase" || [[ $phase != deps && $phase != build ]] || break
done
[ -z "$failures" ] || say "what failed, once more:$failures"
[ $skipped -eq 0 ] || say "$skipped skipped"
say "took $(minutes $((SECONDS - seconds_of_all)))"
say "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
