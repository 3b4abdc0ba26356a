#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# make check: everything that is known about the sources without running them. `check.sh --root DIR rules tidy …` runs some
# of the parts on another tree (check_selftest.sh does). Every part prints what it found and how long it took; the last line
# is "N passed, N failed" (parts). Nothing is ever only a warning.
#
#   rules    layers, third-party includes, limits, banned calls, SPDX, private words (check_rules.py)
#   format   .clang-format; 14 to 19 lay this code out alike
#   shell    shellcheck      cppcheck    cppcheck      tidy    clang-tidy, the list of .clang-tidy
#   selftest each of the rules finds the fault it is there for
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib.sh
. "$here/lib.sh"

root=$here/..
if [ "${1:-}" = --root ]; then
    root=$2
    shift 2
fi
cd "$root" || exit 1
parts=("$@")
[ $# -gt 0 ] || parts=(rules selftest format shell cppcheck tidy)
jobs=$(cores)
cc_flags=(-std=c11 -I. -D_GNU_SOURCE '-DSEXTANT_VERSION=""')

sources() { # by extension; build trees and what others wrote left out
    find . -type d \( -name .git -o -name node_modules -o -name 'build' -o -name 'build-*' \) -prune -o -type f \( "$@" \) -print | sort
}

need() { command -v "$1" >/dev/null || die "$1 is missing: scripts/deps.sh check installs it"; }

part_rules() { python3 "$here/check_rules.py" .; }
part_selftest() { "$here/check_selftest.sh"; }

part_format() {
    local tool
    tool=$(newest_of clang-format 14 19) || die "clang-format (14 to 19) is missing: scripts/deps.sh check installs it"
    sources -name '*.c' -o -name '*.h' | xargs -r "$tool" --dry-run -Werror >"$work/format" 2>&1
    { grep -E 'error:' "$work/format" || true; } | sort -u -t: -k1,1 |
        sed 's/error: code should be clang-formatted.*/not formatted, make format does it/' | complaints
}

part_reformat() { # not a check, but it belongs to the one above
    local tool
    tool=$(newest_of clang-format 14 19) || die "clang-format (14 to 19) is missing: scripts/deps.sh check installs it"
    sources -name '*.c' -o -name '*.h' | xargs -r "$tool" -i
}

part_shell() {
    need shellcheck
    { sources -name '*.sh' && find .ci -type f 2>/dev/null; } | xargs -r shellcheck -x -P SCRIPTDIR -e SC1091
}

part_cppcheck() {
    local macros
    need cppcheck
    sources -name '*.c' -a -not -path './test/*' >"$work/list"
    [ -s "$work/list" ] || return 0
    # Macros are not understood without the headers themselves.
    # shellcheck disable=SC2086
    macros=$(printf '#include <sys/queue.h>\n#include <uthash.h>\n' | ${CC:-cc} -M -xc - |
        grep -oE '/[^ ]*(sys/queue|uthash)\.h' | sort -u | sed 's/^/--include=/')
    # shellcheck disable=SC2086
    cppcheck --quiet --std=c11 $macros --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -j "$jobs" \
        --suppress=missingInclude --suppress=missingIncludeSystem --suppress=unmatchedSuppression --suppress=normalCheckLevelMaxBranches \
        --template='{file}:{line}: {id}: {message}' -I. -D_GNU_SOURCE '-DSEXTANT_VERSION="0"' --file-list="$work/list" 2>&1
}

part_tidy() {
    local tool
    tool=$(newest_of clang-tidy 14 21) || die "clang-tidy is missing: scripts/deps.sh check installs it"
    # shellcheck disable=SC2016
    sources -name '*.c' | xargs -r -n 4 -P "$jobs" bash -c '"$1" --quiet --config-file="$2" "${@:4}" -- $3' - \
        "$tool" "$here/../.clang-tidy" "${cc_flags[*]}" >"$work/tidy" 2>"$work/tidy.err"
    local code=$?
    { grep -hE '(warning|error):' "$work/tidy" "$work/tidy.err" || true; } | sed "s#^$PWD/##" | sort -u | complaints || return 1
    [ $code -eq 0 ] || cat "$work/tidy" "$work/tidy.err"
    return $code
}

complaints() { # print what comes in; fail if anything did
    ! grep .
}

work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
passed=0 failed=0
for part in "${parts[@]}"; do
    start=$SECONDS
    if (set -o pipefail && "part_$part") >"$work/out" 2>&1; then
        passed=$((passed + 1)) word=ok
    else
        failed=$((failed + 1)) word=FAILED
        cat "$work/out"
    fi
    say "check $part: $word ($((SECONDS - start)) s)"
done
say "$passed passed, $failed failed"
[ $failed -eq 0 ]
