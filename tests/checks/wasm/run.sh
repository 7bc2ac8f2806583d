#!/usr/bin/env bash
# Builds the module with `core` alone (Debian: rustc-web, cargo-web, rust-web-src, lld) and runs it in Node.
set -euo pipefail
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld
/usr/bin/cargo build --locked --quiet --release --target wasm32-unknown-unknown -Zbuild-std=core
node check.mjs target/wasm32-unknown-unknown/release/suntap_wasm.wasm
