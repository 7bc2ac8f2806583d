#!/usr/bin/env bash
# Time, memory and size of an import of many tags into each kind of store, and the taps during an import into a running server.
# Needs GNU time, and for the other stores redis-server and PostgreSQL. SERVER=PATH measures another program.
set -euo pipefail
cd "$(dirname "$0")/../../.."
TAGS=${TAGS:-1000000} LIVE_TAGS=${LIVE_TAGS:-100000} PROFILE=${PROFILE:-deploy} STORES=${STORES-redb postgres}
target=${CARGO_TARGET_DIR:-target}/$PROFILE
SERVER=${SERVER:-$target/suntap-server}

[ -n "${NO_BUILD:-}" ] || cargo build --profile "$PROFILE" --locked -q -p suntap-server --bin suntap-server --example taps
work=$(mktemp -d) pids=()
# shellcheck disable=SC2317
clean() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean EXIT
chmod 755 "$work"
export SUNTAP_SECRETS_FILE="$work/secrets.json"
"$target/examples/taps" "$TAGS" 0 "$work"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Name, store, options.
measure() {
    local name=$1 store=$2
    shift 2
    /usr/bin/time -f '%e s, %U s of CPU in the program, %M KiB' "$SERVER" import "$work/tags.ndjson" --store "$store" "$@" 2>&1 | sed "s/^/$name: /"
}

for store in $STORES; do
    case $store in
    redb)
        measure "redb, dry run" "$work/data.redb" --dry-run
        measure "redb" "$work/data.redb"
        echo "redb: $(($(stat -c %s "$work/data.redb") / 1048576)) MiB"
        measure "redb, again" "$work/data.redb"
        rm "$work/data.redb"
        ;;
    postgres)
        # A folder with all of its programs: a distribution may keep them out of the path, or only some of them in it.
        programs=$(dirname "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1 || command -v initdb)")
        port=$(free_port) as=()
        mkdir "$work/postgres"
        # It refuses to run as root.
        if [ "$(id -u)" = 0 ]; then
            as=(setpriv --reuid postgres --regid postgres --clear-groups)
            chown postgres: "$work/postgres"
        fi
        cd "$work/postgres"
        "${as[@]}" "$programs/initdb" -U suntap -A trust -D data >/dev/null
        "${as[@]}" "$programs/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 -k "$work/postgres" >/dev/null 2>&1 &
        pids+=($!)
        cd - >/dev/null
        until "$programs/pg_isready" -q -h 127.0.0.1 -p "$port"; do sleep 0.2; done
        measure "PostgreSQL" "postgres://suntap@127.0.0.1:$port/postgres"
        kill -INT "${pids[-1]}"
        wait "${pids[-1]}" 2>/dev/null || true
        rm -rf "$work/postgres"
        ;;
    esac
done

# A running server, with 1000 tags that are tapped while others are imported.
[ "$LIVE_TAGS" -gt 0 ] || exit 0
mkdir "$work/live"
"$target/examples/taps" 1000 50 "$work/live"
export SUNTAP_SECRETS_FILE="$work/live/secrets.json" SUNTAP_STORE="$work/live/data.redb"
"$SERVER" import "$work/live/tags.ndjson" >/dev/null
SUNTAP_ADMIN_KEY=$("$SERVER" manager new --label load --role read-write)
export SUNTAP_ADMIN_KEY
"$SERVER" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --log warn >"$work/said" 2>"$work/log" &
pids+=($!)
until admin=$(grep -o 'administration at http://[0-9.:]*' "$work/said"); do sleep 0.1; done
address=$(grep -o 'listening at http://[0-9.:]*' "$work/said" || grep -o 'http://127.0.0.1:[0-9]*' "$work/said" | head -n 1)
grep '"tag"' "$work/tags.ndjson" | tail -n "$LIVE_TAGS" >"$work/live/more.ndjson"
python3 examples/server/load/live.py "${address##*http://}" "$work/live/targets" \
    env -u SUNTAP_STORE -u SUNTAP_SECRETS_FILE "SUNTAP_ADMIN=${admin#administration at }" "$SERVER" import "$work/live/more.ndjson"
awk '/VmHWM/ { print "server: " int($2 / 1024) " MiB" }' "/proc/${pids[-1]}/status"
