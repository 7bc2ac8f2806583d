#!/usr/bin/env bash
# Instructions of one verification of each kind, counted by valgrind: a run of 1256 turns less one of 256, by 1000.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked -q -p suntap-benches --bin count "$@"
count() {
    local total=()
    for turns in 256 1256; do
        total+=("$(valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/count "$1" "$turns" 2>&1 | sed -n 's/.*Collected : //p')")
    done
    printf '%-14s %6d\n' "$1" $(((total[1] - total[0]) / 1000))
}
for kind in aes an10922 file-data lrp reject reject-short ntag424; do count "$kind"; done
