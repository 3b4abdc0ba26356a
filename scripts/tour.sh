#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The tour: three regions on loopback behind links with the delays of a WAN, one Sextant that stands in the European one, and
# what it does with callers from three countries when all is well, when the nearest region dies and when it comes back; then
# writes that fan out (tour_fanout.sh).
# run.sh prepares everything and starts it. A region is a stand-in for Qdrant, or a real one when QDRANT_BIN names its binary.
#
# Whatever ends the tour ends all that it started: by process id, never by name; if the tour is killed outright, they are too.
# shellcheck disable=SC2317 # functions that are called through wait_for and trap
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

build=${BUILD:-build}
home=$build/tour
regions=(eu us ap)
declare -A rtt_ms=([eu]=5 [us]=90 [ap]=160) at=([eu]=aws:eu-central-1 [us]=aws:us-east-1 [ap]=aws:ap-northeast-1)
declare -A city=([eu]=Frankfurt [us]=Virginia [ap]=Tokyo) server_pid=() link_pid=() server_port=() link_port=() grpc_port=()
sextant_pid='' fanout_pid='' key='' wait_for_enter=1 stay=1
for option in "$@"; do
    case $option in
    --no-wait) wait_for_enter= ;;
    --exit) stay= ;;
    *) die "unknown option $option" ;;
    esac
done
[ -t 0 ] || wait_for_enter=
python=python3
[ ! -x "$build/venv/bin/python" ] || python=$build/venv/bin/python
tied=()
! command -v setpriv >/dev/null || tied=(setpriv --pdeathsig KILL)

# ------------------------------------------------------------------------------------------------ processes

stop() { # stop SIGNAL PID: and wait until it is gone
    [ -n "$2" ] || return 0
    kill "-$1" "$2" 2>/dev/null
    for _ in {1..50}; do
        kill -0 "$2" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$2" 2>/dev/null
    wait "$2" 2>/dev/null
}

end() {
    trap '' INT TERM HUP
    stop TERM "$sextant_pid"
    stop TERM "$fanout_pid"
    for region in "${regions[@]}"; do
        stop KILL "${link_pid[$region]:-}"
        stop KILL "${server_pid[$region]:-}"
    done
    say "stopped everything."
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

free_ports() { # free_ports N: held together while they are chosen, so that no two are the same
    "$python" - "$1" <<'END'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))
END
}

wait_for() { # wait_for SECONDS WHAT COMMAND…: until it succeeds
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || die "$what did not happen in time; logs are in $home"
        sleep 0.1
    done
}

answers() { curl -sf -m 2 -o /dev/null "$1"; }
direct() { echo "http://127.0.0.1:${server_port[$1]}"; }

start_server() {
    local region=$1 port=${server_port[$1]}
    if [ -n "${QDRANT_BIN:-}" ]; then
        mkdir -p "$home/$region"
        (cd "$home/$region" && QDRANT__SERVICE__HTTP_PORT=$port QDRANT__SERVICE__GRPC_PORT=${grpc_port[$region]} QDRANT__SERVICE__HOST=127.0.0.1 \
            QDRANT__TELEMETRY_DISABLED=true exec "${tied[@]}" "$QDRANT_BIN") >"$home/$region.log" 2>&1 </dev/null &
    else
        "${tied[@]}" "$python" test/lib/qdrant_standin.py --port "$port" --state-dir "$home/$region" >"$home/$region.log" 2>&1 </dev/null &
    fi
    server_pid[$region]=$!
    disown # else bash reports its death
    wait_for 40 "the start of region $region" answers "$(direct "$region")/readyz"
}

open_link() {
    "${tied[@]}" "$python" scripts/wan_link.py --listen "${link_port[$1]}" --to "${server_port[$1]}" --rtt-ms "${rtt_ms[$1]}" \
        >"$home/$1.link.log" 2>&1 </dev/null &
    link_pid[$1]=$!
    disown
    wait_for 30 "the opening of the link to $1" answers "http://127.0.0.1:${link_port[$1]}/readyz"
}

# ------------------------------------------------------------------------------------------------ data

# Straight to a region, past Sextant.
put() { # put REGION PATH BODY
    curl -sf -o /dev/null -X PUT "$(direct "$1")$2" -H 'content-type: application/json' -d "$3" || die "region $1 did not take $2"
}

# What the team's own replication does to keep the copies of `catalog` alike.
replicate() { # replicate REGION
    put "$1" /collections/catalog "$vectors"
    put "$1" '/collections/catalog/points?wait=true' '{"points":[
        {"id":1,"vector":[0.9,0.1,0.1,0.0],"payload":{"title":"lighthouse"}},
        {"id":2,"vector":[0.1,0.9,0.1,0.0],"payload":{"title":"harbour"}},
        {"id":3,"vector":[0.1,0.1,0.9,0.0],"payload":{"title":"compass"}}]}'
}

# What a real server still has on its disk after a crash; the stand-in keeps all in memory.
restore_users() {
    put eu /collections/users "$vectors"
    put eu '/collections/users/points?wait=true' "$(point 1 Anke)"
}

vectors='{"vectors":{"size":4,"distance":"Dot"}}'
point() { printf '{"points":[{"id":%s,"vector":[1,0,0,0],"payload":{"name":"%s"}}]}' "$1" "$2"; }

# ------------------------------------------------------------------------------------------------ telling

bold='' plain=''
[ ! -t 1 ] || bold=$'\e[1m' plain=$'\e[0m'
step=0
heading() {
    [ -z "$wait_for_enter" ] || [ $step -eq 0 ] || read -rp "[Enter] " _
    step=$((step + 1))
    say "" && say "${bold}$step. $*${plain}"
}

# The line to repeat, then of its answer the status, Sextant's own headers and the body.
ask() { # ask ADDRESS METHOD PATH [BODY]
    local words=(curl -sS -i -X "$2" "http://$listen$3") word line=''
    [ -z "$1" ] || words+=(-H "X-Forwarded-For: $1")
    [ -z "$key" ] || words+=(-H "api-key: $key")
    [ -z "${4:-}" ] || words+=(-H 'content-type: application/json' -d "$4")
    for word in "${words[@]}"; do
        [[ $word =~ ^[A-Za-z0-9:/._=-]+$ ]] && line+=" $word" || line+=" '$word'"
    done
    say "" && say "  \$${line}"
    "${words[@]}" -m 30 -w '\n(%{time_total} s)\n' 2>&1 | tr -d '\r' | tee "$home/answer" | awk '
        /^HTTP\/|^x-sextant-|^\(.* s\)$|^curl:/ { print "    " $0 }
        /^[{]/ { print "    " (length > 300 ? substr($0, 1, 300) " …" : $0) }'
}

answer() { sed -n "s/^$1: *//p" "$home/answer"; }
note() { say "" && printf '%s\n' "$*" | fold -s -w 110; }

# ------------------------------------------------------------------------------------------------ set-up

rm -rf "$home" && mkdir -p "$home" || exit 1
[ -n "${QDRANT_BIN:-}" ] || [ -f test/lib/qdrant_standin.py ] || die "test/lib/qdrant_standin.py is missing"
read -ra ports <<<"$(free_ports 9)"
listen_on=${SEXTANT_LISTEN:-127.0.0.1:6333}
listen=${listen_on%%,*} listen=${listen/0.0.0.0/127.0.0.1} listen=${listen%/proxy}
admin=${SEXTANT_ADMIN_LISTEN:-127.0.0.1:6390}
say "starting three regions on loopback: ${QDRANT_BIN:-a stand-in for Qdrant} each, behind a link with a WAN's delay"
for i in 0 1 2; do
    region=${regions[i]}
    server_port[$region]=${ports[i]} link_port[$region]=${ports[i + 3]} grpc_port[$region]=${ports[i + 6]}
    start_server "$region"
    open_link "$region"
    replicate "$region"
    say "  $region  ${city[$region]}, round trip ${rtt_ms[$region]} ms, http://127.0.0.1:${link_port[$region]}"
done

cat >"$home/partition.map" <<'END'
# collection  partitions: areas=home[,copies]                          options
users         europe=eu  north-america=us  asia,oceania=ap             residency=strict
catalog       *=eu,us,ap                                               copies=external write=nearest
*             *=eu
END
clusters=
for region in "${regions[@]}"; do
    clusters+="$region http://127.0.0.1:${link_port[$region]} at=${at[$region]}; "
done
{
    echo "SEXTANT_LISTEN=$listen_on"
    echo "SEXTANT_ADMIN_LISTEN=$admin"
    echo "SEXTANT_CLUSTERS=${clusters%; }"
    echo "SEXTANT_LOCAL_CLUSTER=eu"
    echo "SEXTANT_PARTITION_MAP_FILE=$home/partition.map"
    echo "SEXTANT_TRUSTED_PROXIES=127.0.0.0/8"
    echo "SEXTANT_ACCESS_LOG=$home/access.log"
    echo "SEXTANT_DRAIN_DELAY=0"
    if [ -n "${SEXTANT_GEO_DB:-}" ]; then
        echo "SEXTANT_GEO_DB=$SEXTANT_GEO_DB"
    else
        echo "SEXTANT_OVERRIDES=192.0.2.0/24=DE,198.51.100.0/24=US,203.0.113.0/24=JP"
    fi
} >"$home/sextant.env"
if [ -n "${SEXTANT_GEO_DB:-}" ]; then
    de=193.99.144.80 us=8.8.8.8 jp=133.11.0.1
else
    de=192.0.2.10 us=198.51.100.10 jp=203.0.113.10
    note "There is no geo database, so three documentation networks stand for Germany, the USA and Japan (SEXTANT_OVERRIDES)."
fi

while read -r name; do unset "$name"; done < <(compgen -e SEXTANT_)
SEXTANT_ENV_FILE=$home/sextant.env "${tied[@]}" "$build/sextant" serve >"$home/sextant.log" 2>&1 </dev/null &
sextant_pid=$!
is_up() { ! kill -0 "$sextant_pid" 2>/dev/null || answers "http://$listen/readyz"; }
wait_for 30 "the start of Sextant" is_up
kill -0 "$sextant_pid" 2>/dev/null || { cat "$home/sextant.log" && die "Sextant did not start"; }
# A machine that is busy may make the first probe of the nearest region a slow one.
is_measured() {
    curl -sf -m 2 "http://$admin/status" >"$home/status" && ! grep -Eq '"rtt_ms": *null' "$home/status" &&
        curl -s -m 2 -i "http://$listen/collections/catalog" | grep -qi '^x-sextant-cluster: eu'
}
wait_for 60 "the measure of the links" is_measured
say "Sextant stands in Frankfurt and listens on $listen; its configuration is $home/sextant.env, its map $home/partition.map:"
sed 's/^/  /' "$home/partition.map"
note "Callers are told apart by X-Forwarded-For, which Sextant believes here because the hop before it, loopback, is in SEXTANT_TRUSTED_PROXIES. Of each answer you see the status, Sextant's own headers, the body and the time it took."

# ------------------------------------------------------------------------------------------------ the tour

heading "One collection, created once, exists in every region"
ask "$de" PUT /collections/users "$vectors"

heading "Which data: users are kept where they live"
note "Callers from Germany, the USA and Japan store a user each, with the same request."
ask "$de" PUT '/collections/users/points?wait=true' "$(point 1 Anke)"
ask "$us" PUT '/collections/users/points?wait=true' "$(point 2 Bob)"
ask "$jp" PUT '/collections/users/points?wait=true' "$(point 3 Chie)"
note "Each went to the home of its caller's partition. A caller sees its own partition only; the other regions do not have the data:"
ask "$jp" GET /collections/users/points/3
ask "$de" GET /collections/users/points/3
note "A caller that cannot be placed is refused, as the rule is strict:"
ask '' GET /collections/users/points/1

heading "Which copy: the catalog is everywhere, so the nearest region answers"
search='{"query":[0.9,0.2,0.1,0],"limit":1,"with_payload":true}'
ask "$de" POST /collections/catalog/points/query "$search"
ask "$jp" POST /collections/catalog/points/query "$search"
note "Near means near to this edge: the caller from Japan reached Frankfurt already, and Tokyo is ${rtt_ms[ap]} ms from there. An edge in Tokyo would answer from Tokyo."

heading "Why? Ask with exactly the code that routes"
say "" && say "  \$ SEXTANT_ENV_FILE=$home/sextant.env $build/sextant explain --ip $jp --collection users --method GET --path /collections/users/points/3"
SEXTANT_ENV_FILE=$home/sextant.env "$build/sextant" explain --ip "$jp" --collection users --method GET --path /collections/users/points/3 2>&1 |
    sed 's/^/    /'

heading "The nearest region dies"
say "" && say "  \$ kill -9 ${server_pid[eu]} ${link_pid[eu]}    # eu and the link to it"
stop KILL "${link_pid[eu]}" && stop KILL "${server_pid[eu]}"
note "Reads of the catalog move to the next copy, within the same request:"
ask "$de" POST /collections/catalog/points/query "$search"
ask "$de" POST /collections/catalog/points/query "$search"
note "The user from Germany may live in eu only. Sextant says so instead of looking elsewhere:"
ask "$de" GET /collections/users/points/1
note "Nobody else notices:"
ask "$us" GET /collections/users/points/2

heading "It comes back"
start_server eu
if [ -z "${QDRANT_BIN:-}" ]; then
    note "The stand-in keeps all in memory: its copy of the catalog is filled again, as your own replication would, and its user, as the disk of a real Qdrant would."
    replicate eu && restore_users
fi
open_link eu
is_back() {
    ask "$de" POST /collections/catalog/points/query "$search" && [ "$(answer x-sextant-cluster)" = eu ]
}
started=$SECONDS
wait_for 60 "the return of traffic to eu" is_back
note "Traffic was back $((SECONDS - started)) s after eu was: Sextant waits for several good probes, so that a region that comes and goes does not take the traffic along."
ask "$de" POST /collections/catalog/points/query "$search"
ask "$de" GET /collections/users/points/1

# shellcheck source=scripts/tour_fanout.sh
. scripts/tour_fanout.sh

heading "To play with"
hint() { printf '  %-64s %s\n' "$@"; }
hint "http://$listen" "for any Qdrant client"
hint "http://$admin/" "a page: the world, its regions, recent events"
hint "curl -s http://$admin/status" "what Sextant thinks of the regions"
hint "curl -s http://$admin/metrics" "the same for Prometheus"
hint "curl -s http://$admin/residency" "whose data went where"
hint "tail -f $home/access.log" "one line a request"
hint "edit $home/partition.map" "read again when saved"
hint "SEXTANT_ENV_FILE=$home/fanout.env $build/sextant ctl lanes" "the copies of the second Sextant"
for region in "${regions[@]}"; do
    hint "kill -9 ${server_pid[$region]} ${link_pid[$region]}" "$region dies"
done
[ -n "$stay" ] || exit 0
note "Ctrl-C ends it all."
wait "$sextant_pid"
die "Sextant has ended; its log is $home/sextant.log"
