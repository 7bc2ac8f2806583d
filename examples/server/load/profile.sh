#!/usr/bin/env bash
# Where the time goes while taps are sent: the share of each process and of the idle processors, and the share of each part in the time of
# the worker threads of the server. Needs wrk, and perf with the right to see all processes.
#
#   profile.sh [STORE]    a new data file, or an empty database
set -euo pipefail
cd "$(dirname "$0")/../../.."
SECONDS_EACH=${SECONDS_EACH:-8} CONNECTIONS=${CONNECTIONS:-256} TAGS=${TAGS:-20000} ROUNDS=${ROUNDS:-24}
export THREADS=1

cargo build --profile deploy --locked -q -p suntap-server --bin suntap-server --example taps
# shellcheck source=examples/server/load/local.sh
. examples/server/load/local.sh
store=${1:-$work/profile.redb}
"$built"/examples/taps "$TAGS" "$ROUNDS" "$work"
export SUNTAP_SECRETS_FILE="$work/secrets.json"
"$built"/suntap-server import "$work/tags.ndjson" --store "$store" >/dev/null
start_server "$store"

send "$work/targets" "$address" "$CONNECTIONS" >"$work/result" &
load=$!
pids+=("$load")
sleep 1
perf record -q -a -F 999 -e cpu-clock -o "$work/perf" -- sleep "$((SECONDS_EACH - 2))" >/dev/null
wait "$load"

report() { perf report -i "$work/perf" --no-children --stdio "$@" 2>/dev/null | grep -v '^#' | grep -v '^$'; }
awk '{ printf "%d taps per second\n\nprocess (swapper: idle)\n", $2 }' "$work/result"
report --sort comm | sed -n 1,6p
echo "
worker threads of the server"
report --sort sym --comm tokio-rt-worker | awk '
    { part = "other" }
    /suntap_server/ { part = "suntap-server" }
    /tokio/ { part = "tokio" }
    /redb/ { part = "redb" }
    /redis|postgres/ { part = "client of the database" }
    /hyper|http::|axum|tower|matchit/ { part = "HTTP" }
    /zlib|serde/ { part = "documents" }
    /suntap::|aes|cmac|siv|zeroize/ { part = "suntap and ciphers" }
    /mi_|malloc|free|memmove|memcpy|memcmp|memset|memchr/ { part = "memory" }
    /\[k\]/ { part = "kernel" }
    { sub("%", "", $1); time[part] += $1; all += $1 }
    END { for (part in time) printf "%6.1f%%  %s\n", 100 * time[part] / all, part }' | sort -rn
