#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh [--list] SET…: install what is missing, by apt, on Debian 12, Debian 13 and Ubuntu 25.04 or newer.
#
#   build   compiler and libraries    run     the tour      test    cmocka, Python and Node packages
#   check   formatter and linters     fuzz    clang with its sanitizers
#   bench   the proxies that make bench compares with; their services are not started      (all of these include build)
#
# It says what it installs and why before it does, asks nothing, and touches nothing that is there already: a tool counts as
# there when its command is, a library when pkg-config finds the version that the Makefile asks for. --list only says.
#
# Debian 12 has no libllhttp and no libyyjson. There it adds the next suite (trixie), from the same mirror and under the same
# key as the system's own, pinned so that exactly those two libraries can come from it and only when asked for.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

# set | package | how we know it is there | why
table='
build|gcc|cmd cc gcc clang|the compiler
build|libc6-dev|file /usr/include/stdio.h|headers of the C library
build|make|cmd make|builds
build|pkg-config|cmd pkg-config|finds the libraries
build|libevent-dev|lib libevent_core libevent_pthreads|event loop
build|libllhttp-dev|lib libllhttp|HTTP/1 parser
build|libyyjson-dev|lib yyjson|JSON
build|libmaxminddb-dev|lib libmaxminddb|reads geo databases
build|uthash-dev|file /usr/include/uthash.h|hash tables
build|libssl-dev|lib libssl libcrypto|TLS, keys and tokens
build|libc-ares-dev|lib libcares|name resolution
build|zlib1g-dev|lib zlib|gzip and deflate bodies
build|libbrotli-dev|lib libbrotlidec|br bodies
build|libzstd-dev|lib libzstd|zstd bodies
run|curl|cmd curl|the requests of the tour
run|python3|cmd python3|stand-in regions and WAN links of the tour
run|python3-venv|venv|Python packages of the stand-in
test|libcmocka-dev|lib cmocka|unit tests
test|debootstrap|cmd debootstrap|the proof of the Dockerfile
test|curl|cmd curl|the requests of the tour
test|python3|cmd python3|end-to-end tests
test|python3-venv|venv|Python packages of the tests, in build/venv
test|valgrind|cmd valgrind|start, serve and stop without a leak
test|spin|cmd spin|models of write fan-out, checked whole
test|nodejs|node|the JavaScript client, end to end
test|npm|cmd npm|packages of the JavaScript tests
test|chromium|browser|the page of the admin listener, in a browser
check|clang-format|tool clang-format 14 19|make check: format
check|clang-tidy|tool clang-tidy 14 21|make check: clang-tidy
check|cppcheck|cmd cppcheck|make check: cppcheck
check|shellcheck|cmd shellcheck|make check: the scripts
check|python3|cmd python3|make check: the rules
check|libcmocka-dev|lib cmocka|make check: headers of the unit tests
check|libsqlite3-dev|file /usr/include/sqlite3.h|make check: headers of the benches
check|librocksdb-dev|file /usr/include/rocksdb/c.h|make check: headers of the benches
bench|nginx|cmd nginx /usr/sbin/nginx|make bench: a peer
bench|haproxy|cmd haproxy /usr/sbin/haproxy|make bench: a peer, and the floor
bench|openssl|cmd openssl|make bench: a certificate
bench|libsqlite3-dev|file /usr/include/sqlite3.h|make bench: a log to compare the journal with
bench|librocksdb-dev|file /usr/include/rocksdb/c.h|make bench: another one
bench|python3|cmd python3|make bench
fuzz|clang|tool clang 14 21|compiles the fuzzers
fuzz|libclang-rt-dev|fuzzer|libFuzzer and the sanitizers'

is_there() { # is_there HOW ARGUMENT…
    local how=$1 name least
    shift
    case $how in
    cmd) for name in "$@"; do command -v "$name" >/dev/null && return 0; done && return 1 ;;
    tool) newest_of "$@" >/dev/null ;;
    file) [ -e "$1" ] ;;
    venv) [ -x build/venv/bin/python ] || python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    # Ubuntu has it as a snap only, which sees no files of ours: there these tests are skipped, unless some browser is there.
    browser) command -v chromium google-chrome >/dev/null || ! is_debian ;;
    node) [ "$(node -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -ge 18 ] ;;
    fuzzer) fuzzer_works ;;
    lib)
        for name in "$@"; do
            least=$(sed -n "s/.*[ =]$name:\([0-9.]*\).*/\1/p" Makefile | head -1)
            pkg-config --atleast-version="${least:-0}" "$name" 2>/dev/null || return 1
        done
        ;;
    esac
}

fuzzer_works() {
    local clang
    clang=$(newest_of clang 14 21) || return 1
    echo 'int LLVMFuzzerTestOneInput(const char *b, unsigned long n) { return 0; }' |
        "$clang" -x c -fsanitize=fuzzer,address,undefined -o /dev/null - 2>/dev/null
}

candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '(none)'; }

# The package that has the run-time of the clang which is, or is about to be, installed.
clang_runtime() {
    local clang version
    if clang=$(newest_of clang 14 21); then
        version=$("$clang" -dumpversion)
    else
        version=$(candidate clang | sed 's/^[0-9]*://')
    fi
    echo "libclang-rt-${version%%.*}-dev"
}

wanted() { # sets → package|how|why of what is missing, each once
    local set package how why
    while IFS='|' read -r set package how why; do
        [[ " $* " == *" $set "* ]] || continue
        [[ $set$package == test@(nodejs|npm) ]] && ! has_js_tests && continue
        # shellcheck disable=SC2086
        is_there $how && continue
        echo "$package|$how|$why"
    done <<<"$table" | sort -u -t'|' -k1,1
}

has_js_tests() { [ -n "$(js_folders)" ]; }
js_folders() { find test -name node_modules -prune -o -name package.json -printf '%h\n' 2>/dev/null; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

check_means() {
    local packages=$1
    command -v apt-get >/dev/null ||
        die "there is no apt-get here. Install by hand what corresponds to:$packages"
    [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null ||
        die "neither root nor sudo. Run as root: apt-get install$packages"
    [ "$(id -u)" -eq 0 ] || as_root true ||
        die "sudo would not let us. Run as root: apt-get install$packages"
}

# Debian starts the services that it installs, unless this file says no; they would take ports, and nobody asked for them.
without_services() {
    local policy=/usr/sbin/policy-rc.d code
    [ ! -e $policy ] || { "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 755 $policy
    "$@"
    code=$?
    as_root rm -f $policy
    return $code
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" </dev/null; }

# The entry of apt's sources that the system's own Debian 12 comes from, made to say trixie: mirror, key and options stay.
# Both spellings of such files are understood: one-line (.list) and stanzas (.sources).
trixie_entry() { # trixie_entry FILE NUMBER (a line of a .list, a stanza of a .sources, both from 1)
    if [[ $1 == *.sources ]]; then
        awk -v RS= -v number="$2" '/(^|\n)URIs:/ && ++n == number' "$1" |
            awk '/^[^ \t#]/ { keep = /^(URIs|Signed-By|Trusted|Check-Valid-Until|Check-Date|Architectures):/ } !/^#/ && keep' &&
            printf 'Types: deb\nSuites: trixie\nComponents: main\n'
    else
        sed -n "$2p" "$1" | sed -E 's/^(deb +(\[[^]]*\] +)?[^ ]+ +).*/\1trixie main/'
    fi
}

debian_entry() { # FILE:NUMBER of the first entry that has bookworm's main
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)' 'Created-By: Packages' 2>/dev/null |
        sed -n 's/^bookworm|main|//p' | head -1
}

add_trixie() {
    local entry file sources
    entry=$(debian_entry)
    file=${entry%:*} sources=/etc/apt/sources.list.d/sextant-trixie.list
    [ -f "$file" ] || die "apt has no source for bookworm main, so there is none to derive the one for Debian 13's libllhttp and libyyjson from"
    [[ $file == *.sources ]] && sources=${sources%.list}.sources
    say "  $sources: Debian 13 from this system's own mirror and under the same key,"
    say "  because Debian 12 lacks libllhttp and libyyjson; /etc/apt/preferences.d/sextant-trixie lets nothing else come from it"
    trixie_entry "$file" "${entry##*:}" >"$work/entry"
    grep -q trixie "$work/entry" || die "could not understand $entry"
    as_root tee "$sources" <"$work/entry" >/dev/null
    as_root tee /etc/apt/preferences.d/sextant-trixie >/dev/null <<'END'
Package: *
Pin: release n=trixie
Pin-Priority: -1

Package: libllhttp-dev libllhttp9.2 libyyjson-dev libyyjson0
Pin: release n=trixie
Pin-Priority: 50
END
    # Early releases of Debian 12 do not have the key of Debian 13.
    apt install --only-upgrade debian-archive-keyring >/dev/null 2>&1
    apt update >"$work/apt.log" 2>&1 || { cat "$work/apt.log" && die "apt-get update failed"; }
}

is_debian() { (. /etc/os-release 2>/dev/null && [ "${ID:-}" = debian ]); }
is_bookworm() { (. /etc/os-release 2>/dev/null && [ "${VERSION_CODENAME:-}" = bookworm ] && [ "${ID:-}" = debian ]); }

install_missing() {
    local missing packages=() package how why
    missing=$(wanted "$@")
    [ -n "$missing" ] || return 0
    say "needed by $*, and missing here:"
    while IFS='|' read -r package how why; do
        [ "$package" != libclang-rt-dev ] || package=$(clang_runtime)
        printf '  %-20s %s\n' "$package" "$why"
        packages+=("$package")
    done <<<"$missing"
    [ -z "$list_only" ] || exit 0
    check_means " ${packages[*]}"
    say "installing them by apt-get; its output is shown only if something goes wrong"
    apt update >"$work/apt.log" 2>&1 || { cat "$work/apt.log" && die "apt-get update failed"; }
    if is_bookworm && [[ " ${packages[*]} " =~ \ lib(llhttp|yyjson)-dev\  ]] &&
        ! { candidate libllhttp-dev && candidate libyyjson-dev; } >/dev/null; then
        add_trixie
    fi
    [[ " ${packages[*]} " != *" libclang-rt-"* ]] || packages=("${packages[@]/#libclang-rt-*/$(clang_runtime)}")
    for package in "${packages[@]}"; do
        candidate "$package" >/dev/null || die "no $package for this system. Debian 12, Debian 13 and Ubuntu 25.04 or newer have all that is needed"
    done
    without_services apt install --no-install-recommends "${packages[@]}" >"$work/apt.log" 2>&1 || { cat "$work/apt.log" && die "apt-get install failed"; }
    missing=$(wanted "$@")
    [ -z "$missing" ] || die "installed, but still missing or too old: $(cut -d'|' -f1 <<<"$missing" | tr '\n' ' ')"
}

# The Python packages of test/requirements.txt in build/venv, anew when that file or the interpreter changes.
python_packages() {
    local stamp=build/venv/.requirements now
    [ -f test/requirements.txt ] || return 0
    now=$(command -v python3 && python3 --version && cat test/requirements.txt)
    [ "$now" = "$(cat $stamp 2>/dev/null)" ] && return 0
    say "installing test/requirements.txt into build/venv: $(grep -cE '^[A-Za-z]' test/requirements.txt) Python packages of the tests"
    [ -z "$list_only" ] || return 0
    rm -rf build/venv && mkdir -p build
    if ! { python3 -m venv build/venv &&
        build/venv/bin/python -m pip install -q --disable-pip-version-check -r test/requirements.txt; } >"$work/pip.log" 2>&1 </dev/null; then
        cat "$work/pip.log"
        die "the Python packages of the tests could not be installed"
    fi
    echo "$now" >$stamp
}

js_packages() {
    local folder now verb
    for folder in $(js_folders); do
        now=$(cat "$folder"/package*.json)
        [ "$now" = "$(cat "$folder/node_modules/.installed" 2>/dev/null)" ] && continue
        say "installing $folder/package.json into $folder/node_modules: JavaScript packages of the tests"
        [ -z "$list_only" ] || continue
        verb="install --no-package-lock"
        [ ! -f "$folder/package-lock.json" ] || verb=ci
        # shellcheck disable=SC2086
        (cd "$folder" && npm $verb --no-audit --no-fund) >"$work/npm.log" 2>&1 </dev/null ||
            { cat "$work/npm.log" && die "the JavaScript packages of the tests could not be installed"; }
        cat "$folder"/package*.json >"$folder/node_modules/.installed"
    done
}

list_only=
[ "${1:-}" != --list ] || { list_only=1 && shift; }
sets=("$@")
[ $# -gt 0 ] || sets=(build)
for set in "${sets[@]}"; do
    [[ $set =~ ^(build|run|test|check|fuzz|bench)$ ]] || die "no set called $set: build, run, test, check, fuzz, bench"
done
[[ " ${sets[*]} " =~ \ (run|test|check|fuzz|bench)\  ]] && sets+=(build)
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
install_missing "${sets[@]}"
if [[ " ${sets[*]} " == *" test "* ]]; then
    python_packages
    js_packages
elif [[ " ${sets[*]} " == *" run "* ]] && [ -z "${QDRANT_BIN:-}" ] && ! python3 test/lib/qdrant_standin.py --help >/dev/null 2>&1; then
    python_packages # the stand-in runs on plain Python or on what the tests have
fi
