#!/usr/bin/env bash
# Builds the firmware, runs it in QEMU, checks its output, and prints its size, instruction counts and stack use.
#
#   run.sh            check, and compare with figures.txt
#   run.sh --all      also measure a signed tap and the peer, and build for the Cortex-M4 and M7
#   run.sh --record   like --all, and update figures.txt
set -euo pipefail
cd "$(dirname "$0")"

# If both targets are installed, cargo uses them. Otherwise a compiler with its own source builds `core` (Debian: rustc-web, cargo-web,
# rust-web-src, and binutils-arm-none-eabi as the linker).
if [ "$(rustup target list --installed 2>/dev/null | grep -cxE 'thumbv7e?m-none-eabi')" = 2 ]; then
    cargo=(cargo)
    std=()
else
    cargo=(/usr/bin/cargo)
    std=(-Zbuild-std=core,alloc)
    export RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc
    export CARGO_TARGET_THUMBV7M_NONE_EABI_LINKER=arm-none-eabi-ld CARGO_TARGET_THUMBV7EM_NONE_EABI_LINKER=arm-none-eabi-ld
fi
out=${CARGO_TARGET_DIR:-target}
build() { "${cargo[@]}" build --quiet --locked --release --target-dir "$out" "${std[@]}" "$@"; }
binary() { echo "$out/thumbv7m-none-eabi/release/$1"; }

build --target thumbv7m-none-eabi --bin suntap-gateway
log=$(mktemp)
trap 'rm -f "$log"' EXIT
timeout 120 qemu-system-arm -M lm3s6965evb -cpu cortex-m3 -nographic -monitor none -serial none -icount shift=0 \
    -semihosting-config enable=on,target=native -kernel "$(binary suntap-gateway)" <taps/door.txt | tee "$log"

# The expected output for taps/door.txt, line by line.
expected=("accepted"
    "refused" "  seen before"
    "refused" "  not authentic"
    "refused" "  not of this door"
    "refused after power cut" "  seen before"
    "accepted after power cut"
    "refused after power cut" "  seen before")
for i in "${!expected[@]}"; do
    line=$(sed -n "$((i + 1))p" "$log")
    [ "$line" = "${expected[$i]}" ] || { echo "line $((i + 1)): expected \"${expected[$i]}\", got \"$line\""; exit 1; }
done
read -r right all < <(sed -n 's/^vectors \([0-9]*\) of \([0-9]*\)$/\1 \2/p' "$log") || true
[ "${right:-0}" -gt 100 ] && [ "$right" = "$all" ] || { echo "some vectors failed"; exit 1; }

# The size of a program is its .text and .rodata, minus those of an empty program.
flash_of() { arm-none-eabi-size -A "$1" | awk '$1 == ".text" || $1 == ".rodata" { sum += $2 } END { print sum }'; }
panics_of() { arm-none-eabi-nm -C "$1" | grep -c 'core::panicking' || true; }
figures=$(mktemp)
trap 'rm -f "$log" "$figures"' EXIT
sed -n 's/^figure: \(.*\) \([0-9]*\)$/\1\t\2/p' "$log" >>"$figures"
printf 'stack with-vectors\t%s\n' "$(sed -n 's/^stack: \([0-9]*\) bytes at most$/\1/p' "$log")" >>"$figures"
arm-none-eabi-size -A "$(binary suntap-gateway)" | awk '$1 == ".data" || $1 == ".bss" { sum += $2 } END { printf "static-ram gateway\t%d\n", sum }' >>"$figures"

build --target thumbv7m-none-eabi --no-default-features --bin size-nothing --bin size-verify --bin size-verifier
nothing=$(flash_of "$(binary size-nothing)")
size() { printf 'flash %s\t%s\npanic-symbols %s\t%s\n' "$2" $(($(flash_of "$(binary "$1")") - nothing)) "$2" "$(panics_of "$(binary "$1")")" >>"$figures"; }
size size-verify verify-an10922
size size-verifier verifier-an10922
build --target thumbv7m-none-eabi --no-default-features --features lrp --bin size-verify
size size-verify verify-an10922-lrp
build --target thumbv7m-none-eabi --no-default-features --features flash --bin size-flash
size size-flash flash-counters
if [ $# != 0 ]; then
    build --target thumbv7m-none-eabi --no-default-features --features ecdsa --bin size-signed
    size size-signed verify-signed
    build --target thumbv7m-none-eabi --no-default-features --features peer --bin size-peer
    size size-peer ntag424-verify-an10922
    build --target thumbv7em-none-eabi --bin suntap-gateway
fi

versions=$("${RUSTC:-rustc}" --version; sha256sum Cargo.lock | cut -c1-16)
if [ "${1:-}" = --record ]; then
    { printf '%s\n' "$versions" | sed 's/^/# /'; cat "$figures"; } >figures.txt
fi
same=no
[ "$(grep '^# ' figures.txt)" = "$(printf '%s\n' "$versions" | sed 's/^/# /')" ] && same=yes
printf '\n%-38s %10s %10s\n' "" now recorded
grown=0
while IFS=$'\t' read -r name now; do
    recorded=$(awk -F '\t' -v name="$name" '$1 == name { print $2 }' figures.txt)
    printf '%-38s %10s %10s\n' "$name" "$now" "${recorded:--}"
    [ -n "$recorded" ] || { echo "a new figure: run run.sh --record"; exit 1; }
    if [ "$same" = yes ] && [ "$now" -gt $((recorded + recorded / 20)) ]; then
        echo "  grown by more than 5%"
        grown=1
    fi
done <"$figures"
# Without an option, the figures of two programs are not measured: two for each.
[ "$(grep -cP '\t[0-9]+$' "$figures")" = $(($(grep -cP '\t[0-9]+$' figures.txt) - ($# == 0 ? 4 : 0))) ] || { echo "a figure is missing: run run.sh --record"; exit 1; }
[ "$same" = yes ] || echo "(recorded with other versions: not compared)"
exit "$grown"
