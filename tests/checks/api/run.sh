#!/usr/bin/env bash
# Compares the public API of the library, with all features, with public-api.txt, and checks which other crates it names. `--record`
# updates that file: review the difference, and describe it in CHANGELOG.md. Exits with 77 if nothing can be compared.
#
#   run.sh [--record]
set -euo pipefail
cd "$(dirname "$0")/../../.."
mkdir -p target
# Another compiler can write other JSON, and list other derived implementations.
compiler=$(rustc --version | cut -d. -f1,2)
recorded=$(sed -n 1p tests/checks/api/public-api.txt)
if [ "${1:-}" != --record ] && [ "$compiler" != "$recorded" ]; then
    echo "THE PUBLIC API IS NOT CHECKED: the list is of $recorded, this is $compiler"
    exit 77
fi
RUSTDOC=$PWD/.ci/rustdoc cargo rustdoc --locked --quiet -p suntap --lib --all-features -- -Z unstable-options --output-format json
{
    echo "$compiler"
    cargo run --locked --quiet --manifest-path tests/checks/api/Cargo.toml -- "${CARGO_TARGET_DIR:-target}/doc/suntap.json"
} >target/public-api.txt
if [ "${1:-}" = --record ]; then cp target/public-api.txt tests/checks/api/public-api.txt; fi
diff tests/checks/api/public-api.txt target/public-api.txt
echo "$(($(wc -l <target/public-api.txt) - 1)) items"
