#!/usr/bin/env bash
# Verified taps per second over each store, next to one write to disk for each tap, and to a request that verifies nothing.
# Needs wrk, and for the other stores redis-server and PostgreSQL. Everything runs on this machine and ends by itself.
set -euo pipefail
cd "$(dirname "$0")/../../.."
SECONDS_EACH=${SECONDS_EACH:-8} CONNECTIONS=${CONNECTIONS:-256} TAGS=${TAGS:-20000} ROUNDS=${ROUNDS:-24}
export THREADS=${THREADS:-1}

cargo build --profile deploy --locked -q -p suntap-server --bin suntap-server --example taps
# shellcheck source=examples/server/load/local.sh
. examples/server/load/local.sh

target/deploy/examples/taps "$TAGS" "$ROUNDS" "$work"
printf '/healthz\n%.0s' {1..1000} >"$work/healthz"

# What of the taps was accepted, by the server's own figures.
fresh() { curl -s "http://$1/metrics" | sed -n 's/^suntap_taps_total{api="ixkio",verdict="fresh"} //p'; }

# Name, store, options.
measure() {
    local name=$1 store=$2
    shift 2
    export SUNTAP_SECRETS_FILE="$work/secrets.json"
    target/deploy/suntap-server import "$work/tags.ndjson" --store "$store" >/dev/null
    target/deploy/suntap-server --store "$store" --listen 127.0.0.1:0 --log warn "$@" >"$work/said" 2>"$work/log" &
    local server=$! address=
    pids+=("$server")
    until address=$(grep -o '127.0.0.1:[0-9]*' "$work/said"); do sleep 0.1; done
    local ceiling taps accepted memory
    ceiling=$(TARGETS="$work/healthz" wrk -t"$THREADS" -c"$CONNECTIONS" -d"${SECONDS_EACH}s" --latency -s examples/server/load/taps.lua "http://$address" | grep RESULT)
    taps=$(TARGETS="$work/targets" wrk -t"$THREADS" -c"$CONNECTIONS" -d"${SECONDS_EACH}s" --latency -s examples/server/load/taps.lua "http://$address" | grep RESULT)
    accepted=$(fresh "$address")
    memory=$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$server/status")
    kill "$server"
    wait "$server" 2>/dev/null || true
    echo "$name|$ceiling|$taps|$accepted|$memory|$SECONDS_EACH" | awk -F'|' '{
        split($2, c, " "); split($3, t, " ");
        printf "| %s | %d | %d | %.0f%% | %s | %s | %d | %s | %d MiB |\n", $1, c[2], t[2], 100 * t[2] / c[2], t[3], t[4], $4, t[5], $5
    }'
}

echo "| store | /healthz per second | taps per second | ratio | p50 ms | p99 ms | accepted | errors | memory |"
echo "|---|---|---|---|---|---|---|---|---|"
measure "redb, group commit" "$work/group.redb"
measure "redb, a write for each tap" "$work/single.redb" --group-commit 1

if command -v redis-server >/dev/null; then
    port=$(free_port)
    (cd "$work" && exec redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly yes --appendfsync always >/dev/null) &
    pids+=($!)
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
    measure "Redis, appendfsync always" "redis://127.0.0.1:$port"
fi

programs=$(postgres_programs)
if [ -n "$programs" ]; then
    start_postgres "$programs"
    measure "PostgreSQL" "$postgres_url" --pool 32
fi
