#!/usr/bin/env bash
# Measures the default build and the build with `accel`, each together with `ntag424`, and prints the ratios as tables.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked -q -p suntap-benches --bin table
sed -n 's/^model name\t*: /processor: /p' /proc/cpuinfo | sort | uniq -c
rustc --version
cargo tree --locked -q -p suntap --depth 1 --prefix none | grep '^aes '
for features in "" accel; do
    printf '\nfeatures: %s\n' "${features:-none}"
    cargo bench --locked -q -p suntap-benches --features "$features" -- --warm-up-time 0.5 --measurement-time "${SECONDS_EACH:-2}" >/dev/null 2>&1
    target/release/table target/criterion
done
