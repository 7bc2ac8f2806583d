#!/usr/bin/env bash
# Counts the instructions of one iteration of each kind with valgrind: it subtracts the count of 256 iterations from that of 1256 and
# divides by 1000. It prints each count next to the recorded one in `counts.txt` for the same features. If the compiler, the ciphers and the
# processor are the recorded ones, it fails if a count grew by more than 3%. `--record` updates the file.
set -euo pipefail
cd "$(dirname "$0")/.."
record=
if [ "${1:-}" = --record ]; then record=1 && shift; fi
cargo build --release --locked -q -p suntap-benches --bin count "$@"

features=default
if [ "${*: -1}" = accel ]; then features=accel; fi
with="$(rustc --version | cut -d' ' -f2), aes $(cargo tree --locked -q -p suntap --depth 1 --prefix none | sed -n 's/^aes v//p' | head -n 1)"
# Under valgrind the program sees only some features of the processor, so only the architecture and `aes` are compared.
with+=", $(uname -m) $(grep -ow -m 1 aes /proc/cpuinfo | head -n 1)"
recorded=benches/counts.txt
before=$(sed -n 's/^with //p' "$recorded" 2>/dev/null || true)

program=${CARGO_TARGET_DIR:-target}/release/count
count() {
    local total=() log
    for turns in 256 1256; do
        log=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$turns" 2>&1) || { echo "$log" >&2 && return 1; }
        total+=("$(sed -n 's/.*Collected : //p' <<<"$log")")
    done
    echo $(((total[1] - total[0]) / 1000))
}

more=0 lines=()
for kind in aes an10922 file-data lrp reject reject-short ntag424; do
    now=$(count "$kind") || exit 1
    if [ "$now" -le 0 ]; then echo "$kind was not counted" >&2 && exit 1; fi
    was=$(awk -v f="$features" -v k="$kind" '$1 == f && $2 == k { print $3 }' "$recorded" 2>/dev/null || true)
    lines+=("$features $kind $now")
    printf '%-8s %-14s %7d  recorded %7s\n' "$features" "$kind" "$now" "${was:--}"
    if [ -n "$was" ] && [ $((now * 100)) -gt $((was * 103)) ]; then more=1; fi
done
if [ -n "$record" ]; then
    others=$(grep -v -e '^with ' -e "^$features " "$recorded" 2>/dev/null || true)
    { echo "with $with"; printf '%s\n' ${others:+"$others"} "${lines[@]}"; } >"$recorded"
elif [ "$with" != "$before" ]; then
    echo "recorded with $before, counted with $with: not compared"
elif [ "$more" = 1 ]; then
    echo "a count is more than 3% above the recorded one" >&2
    exit 1
fi
