#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [--no-wait] [--exit]: install what is missing, build, make the default geo database, start Sextant.
#
# With SEXTANT_CLUSTERS set it serves those, in the foreground. Without, it starts three demo regions on loopback and walks
# through what Sextant does with them (scripts/tour.sh). --no-wait goes from step to step without asking for Enter, which is
# also what happens when the input is not a terminal; --exit ends after the tour instead of staying up.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

for option in "$@"; do
    case $option in
    --no-wait | --exit) ;;
    --help | -h) sed -n '4,8s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) die "unknown option $option; there are --no-wait, --exit and --help" ;;
    esac
done

# A port that somebody has would fail only after the build: look now.
port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
check_ports() { # check_ports VARIABLE ADDRESSES
    local entry port
    for entry in ${2//,/ }; do
        entry=${entry%/proxy} port=${entry##*:}
        [[ $port =~ ^[1-9][0-9]*$ ]] || continue
        port_is_free "$port" || die "port $port is in use here. Stop what has it, or choose another: $1=127.0.0.1:$((port + 1000)) scripts/run.sh"
    done
}
check_ports SEXTANT_LISTEN "${SEXTANT_LISTEN-0.0.0.0:6333}"
check_ports SEXTANT_ADMIN_LISTEN "${SEXTANT_ADMIN_LISTEN-127.0.0.1:6390}"

build=${BUILD:-build}
mkdir -p "$build"
own_clusters=${SEXTANT_CLUSTERS:-}${SEXTANT_CLUSTERS_FILE:-}${SEXTANT_ENV_FILE:-}
scripts/deps.sh "$([ -n "$own_clusters" ] && echo build || echo run)"
say "building $build/sextant (what the compiler says is in $build/run.log)"
make -j"$(cores)" BUILD="$build" all >"$build/run.log" 2>&1 </dev/null || { tail -n 40 "$build/run.log" && die "the build failed"; }

# The country database: from Debian's tor-geoipdb. Without it everything works but placing callers by their address.
if [ -z "${SEXTANT_GEO_DB+set}" ]; then
    database=$build/country.mmdb
    if [ ! -s "$database" ]; then
        say "making the default geo database $database from the package tor-geoipdb (IPFire Location, CC BY-SA 4.0)"
        make BUILD="$build" geo >"$build/geo.log" 2>&1 </dev/null || warn "that was not possible: $(tail -n 1 "$build/geo.log")"
    fi
    [ ! -s "$database" ] || export SEXTANT_GEO_DB=$database
fi

if [ -n "$own_clusters" ]; then
    exec "$build/sextant" serve
fi
exec scripts/tour.sh "$@"
