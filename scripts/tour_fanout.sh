# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# Two steps of the tour, which sources this file: writes that fan out, and a region that was away. A second Sextant is
# started for them, as the map of the first one has nothing to journal.

# ctl WORDS…: of that Sextant, as a reader could type it.
fanout_ctl() { SEXTANT_ENV_FILE=$home/fanout.env "$build/sextant" ctl "$@" 2>&1; }
show_ctl() {
    say "" && say "  \$ SEXTANT_ENV_FILE=$home/fanout.env $build/sextant ctl $*"
    fanout_ctl "$@" | sed 's/^/    /'
}
has_note() { curl -sf -m 2 -o /dev/null "$(direct "$1")/collections/notes/points/$2"; }
nothing_waits() { fanout_ctl lanes --json >"$home/lanes" && ! grep -Eq '"points_(waiting|again)": *[1-9]|"state": *"mends"' "$home/lanes"; }
now_ms() { date +%s%3N; }
note_points() { # note_points FIRST LAST TEXT
    local id points=''
    for ((id = $1; id <= $2; id++)); do points+="${points:+,}{\"id\":$id,\"vector\":[1,0,0,0],\"payload\":{\"text\":\"$3\"}}"; done
    echo "{\"points\":[$points]}"
}

# What a region holds, straight from it: how many points, and a digest of all of them.
digest() { # digest REGION
    curl -sf -m 10 -X POST "$(direct "$1")/collections/notes/points/scroll" -H 'content-type: application/json' \
        -d '{"limit":10000,"with_vector":true,"with_payload":true}' | "$python" -c '
import hashlib, json, sys
points = sorted(json.load(sys.stdin)["result"]["points"], key=lambda p: p["id"])
print(len(points), "points, sha256", hashlib.sha256(json.dumps(points, sort_keys=True).encode()).hexdigest()[:16])'
}

start_fanout() {
    local ports
    read -ra ports <<<"$(free_ports 2)"
    mkdir -p "$home/journal"
    cat >"$home/fanout.env" <<END
SEXTANT_LISTEN=127.0.0.1:${ports[0]}
SEXTANT_ADMIN_LISTEN=127.0.0.1:${ports[1]}
SEXTANT_CLUSTERS=${clusters%; }
SEXTANT_LOCAL_CLUSTER=eu
SEXTANT_PARTITION_MAP=notes *=eu,us,ap fanout=async
SEXTANT_OWNS=eu
SEXTANT_JOURNAL_DIR=$home/journal
SEXTANT_JOURNAL_QUOTA=64MiB
SEXTANT_API_KEY=$key
SEXTANT_QUARANTINE=2s
SEXTANT_DRAIN_DELAY=0
END
    SEXTANT_ENV_FILE=$home/fanout.env "${tied[@]}" "$build/sextant" serve >"$home/fanout.log" 2>&1 </dev/null &
    fanout_pid=$!
    disown
    listen=127.0.0.1:${ports[0]}
    is_up() { ! kill -0 "$fanout_pid" 2>/dev/null || answers "http://$listen/readyz"; }
    wait_for 20 "the start of the second Sextant" is_up
    kill -0 "$fanout_pid" 2>/dev/null || { cat "$home/fanout.log" && die "the second Sextant did not start"; }
    is_made() { curl -sf -m 10 -o /dev/null -X PUT "http://$listen/collections/notes" -H "api-key: $key" -H 'content-type: application/json' -d "$vectors"; }
    wait_for 30 "the claim of the home" is_made
    # The first ship of a lane asks the copy who it is; what is shown is any later one.
    curl -sf -m 20 -o /dev/null -X PUT "http://$listen/collections/notes/points?wait=true" -H "api-key: $key" -H 'content-type: application/json' \
        -d "$(note_points 9 9 first)" || die "the first point was not taken"
    wait_for 30 "the first point in us" has_note us 9
    wait_for 30 "the first point in ap" has_note ap 9
}

first_listen=$listen key=notes-key
heading "A write reaches every region: fan-out"
start_fanout
note "A second Sextant, for a collection whose map line says fanout=async. It owns the home, eu: each write is made durable in its journal, done at eu, and then the copies in us and ap are made the same. It wants a key from clients, as it must know who writes before it records anything."
grep -E 'PARTITION_MAP|OWNS|JOURNAL_DIR' "$home/fanout.env" | sed 's/^/  /'
ask '' PUT '/collections/notes/points?wait=true' "$(note_points 1 1 "written in Frankfurt")"
begin=$(now_ms)
wait_for 30 "the arrival in us" has_note us 1
us_ms=$(($(now_ms) - begin))
wait_for 30 "the arrival in ap" has_note ap 1
note "The client was answered after journal and eu. Asked directly, us had the point within $us_ms ms of that answer, ap within $(($(now_ms) - begin)) ms; their round trips are ${rtt_ms[us]} and ${rtt_ms[ap]} ms. Each way to a copy is a lane:"
wait_for 30 "both copies" nothing_waits
show_ctl lanes

heading "A region is away, and catches up"
say "" && say "  \$ kill -9 ${link_pid[us]}    # the link to us"
stop KILL "${link_pid[us]}"
note "Nobody reaches us. Writes go on; what us lacks is marked, a mark for each point however often it changes:"
ask '' PUT '/collections/notes/points?wait=true' "$(note_points 2 2 "us does not know yet")"
curl -sf -m 20 -o /dev/null -X PUT "http://$listen/collections/notes/points?wait=true" -H "api-key: $key" -H 'content-type: application/json' \
    -d "$(note_points 101 300 "two hundred more")" || die "two hundred points were not taken"
wait_for 30 "the arrival in ap" has_note ap 300
show_ctl lanes
open_link us
begin=$(now_ms)
wait_for 90 "the return of us" has_note us 300
wait_for 60 "both copies" nothing_waits
note "The link is back, and $((($(now_ms) - begin) / 100)) tenths of a second later nothing waits any more:"
show_ctl lanes
note "All three, asked directly:"
for region in "${regions[@]}"; do
    say "    $region  $(digest "$region")"
done
[ "$(for region in "${regions[@]}"; do digest "$region"; done | sort -u | wc -l)" = 1 ] || die "the regions differ"
listen=$first_listen key=''
