#!/usr/bin/env bash
# Counts the crates that `suntap` depends on with each feature, and fails if a count differs from dependencies.txt. `--record` updates that
# file.
#
#   dependencies.sh [--record]
set -euo pipefail
cd "$(dirname "$0")/.."
counts() {
    local features all=accel,alloc,certificate,conformance,dialects,ecdsa,emulator,flash,lrp,platform,sdm-backend,serde,std,token
    for features in none ${all//,/ } "$all"; do
        printf '%4d  %s\n' "$(cargo tree --locked -p suntap -e normal --prefix none --target x86_64-unknown-linux-gnu --features "${features/none/}" |
            sed 's/ (.*//' | sort -u | grep -cv '^suntap ')" "${features/"$all"/all}"
    done
}
if [ "${1:-}" = --record ]; then counts >.ci/dependencies.txt; fi
diff .ci/dependencies.txt <(counts) && cat .ci/dependencies.txt
