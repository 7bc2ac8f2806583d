#!/usr/bin/env bash
# Verified taps per second over each store, next to one write to disk for each tap, and to a request that verifies nothing.
# Needs wrk, and for the other stores redis-server and PostgreSQL. Everything runs on this machine and ends by itself.
set -euo pipefail
cd "$(dirname "$0")/../../.."
SECONDS_EACH=${SECONDS_EACH:-8} CONNECTIONS=${CONNECTIONS:-256} TAGS=${TAGS:-20000} ROUNDS=${ROUNDS:-24}
export THREADS=${THREADS:-1}

cargo build --profile deploy --locked -q -p suntap-server --bin suntap-server --example taps
work=$(mktemp -d) pids=()
# shellcheck disable=SC2317
clean() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean EXIT
chmod 755 "$work"

target/deploy/examples/taps "$TAGS" "$ROUNDS" "$work"
printf '/healthz\n%.0s' {1..1000} >"$work/healthz"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

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

# A folder with all of its programs: a distribution may keep them out of the path, or only some of them in it.
postgres=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1 || true)")
[ "$postgres" != . ] || postgres=$(dirname "$(command -v initdb || true)")
if [ "$postgres" != . ]; then
    port=$(free_port) as=()
    mkdir "$work/postgres"
    # It refuses to run as root.
    if [ "$(id -u)" = 0 ]; then
        as=(setpriv --reuid postgres --regid postgres --clear-groups)
        chown postgres: "$work/postgres"
    fi
    cd "$work/postgres"
    "${as[@]}" "$postgres/initdb" -U suntap -A trust -D data >/dev/null
    "${as[@]}" "$postgres/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 -k "$work/postgres" >/dev/null 2>&1 &
    pids+=($!)
    cd - >/dev/null
    until "$postgres/pg_isready" -q -h 127.0.0.1 -p "$port"; do sleep 0.2; done
    measure "PostgreSQL" "postgres://suntap@127.0.0.1:$port/postgres" --pool 32
fi
