# Each recipe calls a script or command of the repository. `just --list` shows them.

# The sample tap, step by step.
try:
    cargo run --example verify

# All tests.
test:
    cargo test --workspace

# Everything, from a clean machine.
ci:
    .ci/run

# What takes hours: all steps, or the named ones.
deep *steps:
    .ci/deep {{ steps }}

# Formatting, lints and docs.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features

# Fuzzers, by name, for so many seconds each.
fuzz seconds *targets:
    fuzz/run.sh {{ seconds }} {{ targets }}

# Instruction counts against the recorded ones.
count:
    benches/count.sh

# Firmware in QEMU.
gateway:
    examples/gateway/run.sh
