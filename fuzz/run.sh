#!/usr/bin/env bash
# Runs each target for the given number of seconds, starting from the seeds, and prints its results.
#
#   run.sh [SECONDS] [TARGET..]      default: 20 seconds, all targets
#   SANITIZER=address run.sh ..      with AddressSanitizer; default: only coverage instrumentation
#   FEATURES= run.sh ..              without `accel`; suntap and the emulated tags then use the same cipher crate
#   WORKSPACE=FOLDER run.sh ..       with the targets of another folder, such as `examples/server/fuzz`
set -euo pipefail
cd "$(dirname "$0")/../${WORKSPACE:-fuzz}"
seconds=${1:-20}
shift || true
# The compiler flags for coverage and sanitizers are unstable. This variable lets a stable compiler accept them.
export RUSTC_BOOTSTRAP=1
options=(--release --debug-assertions --sanitizer "${SANITIZER:-none}")
features=${FEATURES-accel}
if [ -n "$features" ]; then options+=(--features "$features"); fi
cargo fetch --locked --quiet

# A file without an entry in the manifest would never run.
files=$(for file in fuzz_targets/*.rs; do basename "$file" .rs; done | sort)
listed=$(cargo fuzz list | sort)
[ "$files" = "$listed" ] || { echo "fuzz_targets/ and the manifest differ:"; diff <(echo "$files") <(echo "$listed"); exit 1; }
targets=("${@:-}")
if [ -z "${targets[0]}" ]; then mapfile -t targets <<<"$listed"; fi

python3 seeds.py
cargo fuzz build "${options[@]}" 2>&1 | tail -n 1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
printf '%-16s %12s %8s %8s\n' target executions edges corpus
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target"
    if ! cargo fuzz run "${options[@]}" "$target" -- -max_total_time="$seconds" -timeout=60 -print_final_stats=1 -max_len=2048 -verbosity=1 >"$log" 2>&1; then
        grep -A 2 panicked "$log" || tail -n 40 "$log"
        grep -A 12 '^Failing input' "$log"
        exit 1
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)
    corpus=$(grep -o 'corp: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2)
    printf '%-16s %12s %8s %8s\n' "$target" "$executions" "$edges" "$corpus"
done
