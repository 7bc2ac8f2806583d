#!/usr/bin/env bash
# What a request with an unknown path costs if the store has one layout, and if it has 20,000, in turns. Needs wrk.
set -euo pipefail
cd "$(dirname "$0")/../../.."
SECONDS_EACH=${SECONDS_EACH:-5} LAYOUTS=${LAYOUTS:-20000}
export THREADS=1

cargo build --profile deploy --locked -q -p suntap-server --bin suntap-server
# shellcheck source=examples/server/load/local.sh
. examples/server/load/local.sh
export SUNTAP_SECRETS_FILE="$work/secrets.json"
"$built"/suntap-server secrets new "$SUNTAP_SECRETS_FILE" >/dev/null
printf '/unknown/%s?picc_data=00&cmac=11\n' {1..1000} >"$work/targets"

# Prints an import with so many tag groups, each with a layout and a tag of its own.
lines() {
    awk -v layouts="$1" 'BEGIN {
        print "{\"organisation\":{\"id\":1,\"name\":\"Load\",\"account\":\"load\"}}"
        print "{\"folder\":{\"organisation\":1,\"path\":\"F\"}}"
        rules = "{\"groups\":[{\"rules\":[\"authentication\"],\"response\":\"Pass\"}],\"default\":\"Fail\"}"
        for (i = 0; i < layouts; i++) {
            layout = "{\"template\":\"https://t.example/p" i "?x={:xuid}&n={ctr}&e={mac}\"}"
            printf "{\"tagGroup\":{\"organisation\":1,\"path\":\"F/G%d\",\"layout\":%s,\"rules\":%s}}\n", i, layout, rules
            printf "{\"batch\":{\"organisation\":1,\"path\":\"F/G%d/B\"}}\n", i
            printf "{\"tag\":{\"organisation\":1,\"batch\":\"F/G%d/B\",\"xuid\":\"x%d\",\"uid\":\"%014X\",\"keys\":{\"plain\":{\"file\":\"%032X\"}}}}\n", i, i, i + 1, i + 1
        }
    }'
}

addresses=()
for layouts in 1 "$LAYOUTS"; do
    lines "$layouts" >"$work/lines.ndjson"
    "$built"/suntap-server import "$work/lines.ndjson" --store "$work/$layouts.redb" >/dev/null
    start_server "$work/$layouts.redb"
    addresses+=("$address")
done

echo "| layouts | requests per second | p50 ms | p99 ms |"
echo "|---|---|---|---|"
for _ in 1 2 3; do
    for number in 0 1; do
        send "$work/targets" "${addresses[$number]}" 64 |
            awk -v layouts="$([ "$number" = 0 ] && echo 1 || echo "$LAYOUTS")" '{ printf "| %s | %d | %s | %s |\n", layouts, $2, $3, $4 }'
    done
done
