#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Make the default geo database, country.mmdb, from Debian's tor-geoipdb package: IPFire Location data, CC BY-SA 4.0.
# The package is downloaded and unpacked, never installed. Usage: geo.sh [OUT.mmdb] [GEODB-TOOL]
set -euo pipefail
out=${1:-build/country.mmdb}
tool=${2:-build/geodb}
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
    echo "geo.sh: needs apt-get and dpkg-deb (Debian or Ubuntu). Elsewhere name a MaxMind database of your own in SEXTANT_GEO_DB." >&2
    exit 1
fi
tool=$(readlink -f "$tool")
mkdir -p "$(dirname "$out")"
out=$(readlink -f "$(dirname "$out")")/$(basename "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
if ! apt-get -q download tor-geoipdb >log 2>&1; then
    if ! apt-get -q update >>log 2>&1 || ! apt-get -q download tor-geoipdb >>log 2>&1; then
        cat log >&2
        echo "geo.sh: tor-geoipdb could not be downloaded; Sextant also runs without a database" >&2
        exit 1
    fi
fi
dpkg-deb -x tor-geoipdb_*.deb unpacked
data=unpacked/usr/share/tor
made=$(sed -n 's/^# Last updated based on \(.*\) IPFire.*$/\1/p;/^[0-9]/q' "$data/geoip" | head -n 1)
epoch=$(date -u -d "${made:-$(date -u -r "$data/geoip" +%F)}" +%s 2>/dev/null || date -u -r "$data/geoip" +%s)
"$tool" -o "$out" -e "$epoch" -t IPFire-Country "$data/geoip" "$data/geoip6"
echo "geo.sh: $out made from tor-geoipdb, data of $(date -u -d "@$epoch" +%F) (IPFire Location, CC BY-SA 4.0)"
