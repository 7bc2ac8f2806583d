#!/usr/bin/env bash
# Verified taps per second over each store, next to one write to disk for each tap, and to a request that verifies nothing.
# Needs wrk, and for the other stores redis-server and PostgreSQL. Everything runs on this machine and ends by itself.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/../../.."
SECONDS_EACH=${SECONDS_EACH:-8} CONNECTIONS=${CONNECTIONS:-256} TAGS=${TAGS:-20000} ROUNDS=${ROUNDS:-24}
export THREADS=${THREADS:-1}

cargo build --profile deploy --locked -q -p suntap-server --bin suntap-server --example taps
# shellcheck source=examples/server/load/local.sh
. examples/server/load/local.sh

"$built"/examples/taps "$TAGS" "$ROUNDS" "$work"
printf '/healthz\n%.0s' {1..1000} >"$work/healthz"

# Sends the targets of a file for some seconds, an equal part of them to each server, and prints the sum of the rates, the worst of the
# percentiles, and the number of errors.
load() {
    local file=$1 number=0 address loads=()
    rm -f "$work"/result.*
    for address in "${addresses[@]}"; do
        awk -v count="${#addresses[@]}" -v number="$number" 'NR % count == number' "$file" >"$work/part.$number"
        send "$work/part.$number" "$address" "$((CONNECTIONS / ${#addresses[@]}))" >"$work/result.$number" &
        loads+=($!)
        number=$((number + 1))
    done
    wait "${loads[@]}"
    awk '{ rate += $2; if ($3 > p50) p50 = $3; if ($4 > p99) p99 = $4; errors += $5 } END { if (!rate) exit 1; print rate, p50, p99, errors }' "$work"/result.*
}

# What of the taps was accepted, by the servers' own figures.
fresh() {
    local address
    for address in "${addresses[@]}"; do
        curl -s "http://$address/metrics" | sed -n 's/^suntap_taps_total{api="ixkio",verdict="fresh"} //p'
    done | awk '{ sum += $1 } END { print sum + 0 }'
}

# Sums what a command prints for each server.
each() { for server in "${servers[@]}"; do awk "$1" "/proc/$server/$2"; done | awk '{ sum += $1 } END { print sum }'; }

# Name, number of servers, store, options.
measure() {
    local name=$1 count=$2 store=$3 ceiling taps accepted memory before cpu
    shift 3
    export SUNTAP_SECRETS_FILE="$work/secrets.json"
    "$built"/suntap-server import "$work/tags.ndjson" --store "$store" >/dev/null
    addresses=() servers=()
    while [ "${#servers[@]}" -lt "$count" ]; do
        start_server "$store" "$@"
        servers+=("${pids[-1]}")
        addresses+=("$address")
    done
    ceiling=$(load "$work/healthz")
    before=$(each '{ print $14 + $15 }' stat)
    taps=$(load "$work/targets")
    cpu=$(($(each '{ print $14 + $15 }' stat) - before))
    accepted=$(fresh)
    [ "$accepted" -gt 0 ] || { echo "no tap was accepted" >&2; exit 1; }
    memory=$(each '/VmHWM/ { print int($2 / 1024) }' status)
    kill "${servers[@]}"
    wait "${servers[@]}" 2>/dev/null || true
    echo "$name|$ceiling|$taps|$accepted|$memory|$cpu|$(getconf CLK_TCK)" | awk -F'|' '{
        split($2, c, " "); split($3, t, " ");
        printf "| %s | %d | %d | %.0f%% | %s | %s | %d | %s | %d µs | %d MiB |\n", $1, c[1], t[1], 100 * t[1] / c[1], t[2], t[3], $4, t[4],
            $6 / $7 / $4 * 1e6, $5
    }'
}

echo "| store | /healthz per second | taps per second | ratio | p50 ms | p99 ms | accepted | errors | processor per tap | memory |"
echo "|---|---|---|---|---|---|---|---|---|---|"
measure "redb, group commit" 1 "$work/group.redb"
measure "redb, no history" 1 "$work/plain.redb" --history-keep 0
measure "redb, a write for each tap" 1 "$work/single.redb" --group-commit 1

if command -v redis-server >/dev/null; then
    port=$(free_port)
    (cd "$work" && exec redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly yes --appendfsync always >/dev/null) &
    pids+=($!)
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
    measure "Redis, appendfsync always" 1 "redis://127.0.0.1:$port"
fi

programs=$(postgres_programs)
if [ -n "$programs" ]; then
    start_postgres "$programs"
    measure "PostgreSQL" 1 "$postgres_url" --pool 32
    "$programs/psql" -q "$postgres_url" -c "CREATE DATABASE two"
    measure "PostgreSQL, two servers" 2 "${postgres_url%/*}/two" --pool 32
fi
