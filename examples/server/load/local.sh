# Read by the other scripts: a folder that disappears at the end, with all that was started, and PostgreSQL in it.
# shellcheck shell=bash
work=$(mktemp -d) pids=() built=${CARGO_TARGET_DIR:-target}/deploy
# shellcheck disable=SC2317
clean() {
    for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean EXIT
chmod 755 "$work"

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Starts a server over a store, with further options, and sets `address` when it listens.
start_server() {
    rm -f "$work/said"
    "$built"/suntap-server --store "$1" --listen 127.0.0.1:0 --log warn "${@:2}" >"$work/said" 2>"$work/log" &
    pids+=($!)
    until address=$(grep -so '127.0.0.1:[0-9]*' "$work/said"); do
        kill -0 "${pids[-1]}" || { cat "$work/log" >&2; exit 1; }
        sleep 0.1
    done
}

# Sends the targets of a file to an address for some seconds, over a number of connections, and prints the line with the results.
send() {
    TARGETS=$1 wrk -t"$THREADS" -c"$3" -d"${SECONDS_EACH}s" --latency -s examples/server/load/taps.lua "http://$2" | grep RESULT
}

# The folder with all programs of PostgreSQL, or nothing: a distribution may keep them out of the path, or only some of them in it.
postgres_programs() {
    local initdb
    initdb=$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1 || true)
    initdb=${initdb:-$(command -v initdb || true)}
    [ -z "$initdb" ] || dirname "$initdb"
}

# Starts the PostgreSQL with its programs in this folder, and sets `postgres_url`.
start_postgres() {
    local programs=$1 port as=()
    port=$(free_port)
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
    # shellcheck disable=SC2034
    postgres_url="postgres://suntap@127.0.0.1:$port/postgres"
}
