#!/usr/bin/env bash
# Time, memory and size of an import of many tags into each kind of store, and the taps during an import into a running server.
# Needs GNU time, and for the other stores redis-server and PostgreSQL. SERVER=PATH measures another program.
set -euo pipefail
cd "$(dirname "$0")/../../.."
TAGS=${TAGS:-1000000} LIVE_TAGS=${LIVE_TAGS:-100000} PROFILE=${PROFILE:-deploy} STORES=${STORES-redb postgres}
target=${CARGO_TARGET_DIR:-target}/$PROFILE
SERVER=${SERVER:-$target/suntap-server}

[ -n "${NO_BUILD:-}" ] || cargo build --profile "$PROFILE" --locked -q -p suntap-server --bin suntap-server --example taps
# shellcheck source=examples/server/load/local.sh
. examples/server/load/local.sh
export SUNTAP_SECRETS_FILE="$work/secrets.json"
"$target/examples/taps" "$TAGS" 0 "$work"

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
        start_postgres "$(postgres_programs)"
        measure "PostgreSQL" "$postgres_url"
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
until admin=$(grep -o 'administration at http://[0-9.:]*' "$work/said"); do
    kill -0 "${pids[-1]}" || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
address=$(grep -o 'listening at http://[0-9.:]*' "$work/said" || grep -o 'http://127.0.0.1:[0-9]*' "$work/said" | head -n 1)
grep '"tag"' "$work/tags.ndjson" | tail -n "$LIVE_TAGS" >"$work/live/more.ndjson"
python3 examples/server/load/live.py "${address##*http://}" "$work/live/targets" \
    env -u SUNTAP_STORE -u SUNTAP_SECRETS_FILE "SUNTAP_ADMIN=${admin#administration at }" "$SERVER" import "$work/live/more.ndjson"
awk '/VmHWM/ { print "server: " int($2 / 1024) " MiB" }' "/proc/${pids[-1]}/status"
