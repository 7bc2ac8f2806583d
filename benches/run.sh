#!/usr/bin/env bash
# Measures the default build and the build with `accel`, each together with `ntag424` (the peer). Then measures the peer alone, in a build
# without suntap, on the same taps. Prints the machine and one table.
#
#   run.sh                    about ten minutes
#   SECONDS_EACH=0.2 run.sh   quick and inaccurate
set -euo pipefail
cd "$(dirname "$0")/.."
results=$PWD/target/benches
mkdir -p "$results"
options=(--warm-up-time 0.5 --measurement-time "${SECONDS_EACH:-2}")

cargo build --release --locked -q -p suntap-benches --bin table --bin taps
export TAPS=$results/taps.jsonl
built=${CARGO_TARGET_DIR:-target}/release
"$built/taps" >"$TAPS"

sed -n 's/^model name\t*: /processor: /p' /proc/cpuinfo | sort | uniq -c
# `.ci/instructions` prints the instructions that `accel` chooses on this machine.
for flag in aes vaes avx512f; do
    printf '%s: %s\n' "$flag" "$(grep -qw "$flag" /proc/cpuinfo && echo present || echo absent)"
done
echo "accel uses: $(.ci/instructions)"
rustc --version
cargo tree --locked -q -p suntap --depth 1 --prefix none | grep '^aes '

for build in default accel; do
    echo "measuring: $build" >&2
    CRITERION_HOME=$results/$build cargo bench --locked -q -p suntap-benches --features "${build#default}" -- "${options[@]}" >/dev/null 2>&1
done
echo "measuring: the peer alone" >&2
(cd benches/peer && CRITERION_HOME=$results/alone cargo bench --locked -q -- "${options[@]}" >/dev/null 2>&1)

printf '\n'
"$built/table" "$results"
