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
[ -x "$tool" ] || {
    echo "geo.sh: $tool is not built: make geo does that" >&2
    exit 1
}
tool=$(readlink -f "$tool")
mkdir -p "$(dirname "$out")"
out=$(readlink -f "$(dirname "$out")")/$(basename "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work"
fetch() { apt-get -q download tor-geoipdb >>log 2>&1; }
if ! fetch && ! { apt-get -q update >>log 2>&1 && fetch; }; then
    cat log >&2
    echo "geo.sh: tor-geoipdb could not be downloaded; Sextant also runs without a database" >&2
    exit 1
fi
dpkg-deb -x tor-geoipdb_*.deb unpacked
data=unpacked/usr/share/tor
made=$(sed -n '/^[0-9]/q; s/^# Generated: *//p' "$data/geoip" | head -n 1)
epoch=$(date -u -d "${made:-unknown}" +%s 2>/dev/null || date -u -r "$data/geoip" +%s)
"$tool" -o "$out" -e "$epoch" -t IPFire-Country "$data/geoip" "$data/geoip6"
echo "geo.sh: made $out ($(stat -c %s "$out") bytes)
  source   IPFire Location, https://location.ipfire.org/, from Debian's $(basename tor-geoipdb_*.deb .deb)
  data of  $(date -u -d "@$epoch" +%F)
  licence  CC BY-SA 4.0, https://creativecommons.org/licenses/by-sa/4.0/: name the source, share changed data alike"
