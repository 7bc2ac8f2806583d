#!/usr/bin/env bash
# Compares the public API of the library, with all features, with public-api.txt, and checks which other crates it names. `--record`
# updates that file: review the difference, and describe it in CHANGELOG.md.
#
#   run.sh [--record]
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p target
# RUSTC_BOOTSTRAP is set for rustdoc only, so that nothing else is rebuilt.
printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n' >target/rustdoc
chmod +x target/rustdoc
RUSTDOC=$PWD/target/rustdoc cargo rustdoc --locked --quiet -p suntap --lib --all-features -- -Z unstable-options --output-format json
cargo run --locked --quiet --manifest-path tests/checks/api/Cargo.toml -- "${CARGO_TARGET_DIR:-target}/doc/suntap.json" >target/public-api.txt
if [ "${1:-}" = --record ]; then cp target/public-api.txt tests/checks/api/public-api.txt; fi
diff tests/checks/api/public-api.txt target/public-api.txt
echo "$(wc -l <target/public-api.txt) items"
