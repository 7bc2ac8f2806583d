#!/usr/bin/env bash
# Checks that no branch and no memory address depends on a key, so that time cannot depend on keys either. Keys are marked as uninitialised,
# and valgrind reports branches and addresses that depend on them. This tests the portable code of `aes`, because valgrind replaces AES
# instructions of the processor with its own code.
set -euo pipefail
cd "$(dirname "$0")"
export RUSTFLAGS='--cfg aes_backend="soft"'
cargo build --locked --release --quiet
check() { valgrind --quiet --error-exitcode=9 target/release/valgrind "$@"; }
if check leak >/dev/null 2>&1; then
    echo "valgrind did not report a table lookup with a key as index: this check proves nothing" >&2
    exit 1
fi
check
# Two decryptions disclose whether a seal opens, and four key derivations disclose whether the master key is all zeros, as on a new chip.
# Valgrind must report these six branches and no others.
valgrind --quiet target/release/valgrind disclosed 2>target/disclosed.txt || { cat target/disclosed.txt >&2; exit 1; }
places=$(grep -A 1 -E 'depends on uninitialised|Use of uninitialised' target/disclosed.txt | grep -oE 'decrypt_inout_detached|Master::(un)?diversified' | LC_ALL=C sort | uniq -c | tr -s ' \n' ' ' || true)
if [ "$places" != " 2 Master::diversified 2 Master::undiversified 2 decrypt_inout_detached " ] || [ "$(grep -c ' at 0x' target/disclosed.txt)" != 6 ]; then
    cat target/disclosed.txt >&2
    exit 1
fi
echo "6 expected branches, which disclose whether a seal opens and whether a master key is all zeros"
