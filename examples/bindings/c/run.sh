#!/usr/bin/env bash
# Checks the header, then builds the library for this computer, for ARM Linux and for a Cortex-M3, and runs the checks on all three.
#
#   run.sh            check, and compare with include/suntap.h and figures.txt
#   run.sh --record   write both files, then check
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p "${CARGO_TARGET_DIR:-target}"
CARGO_TARGET_DIR=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
export CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0
out=$CARGO_TARGET_DIR/c
mkdir -p "$out"
record=${1:-}

# Installs packages of Debian, each with a command that it provides.
tools() {
    local missing=() pair
    for pair in gcc:gcc g++:g++ pkg-config:pkg-config arm-none-eabi-gcc:gcc-arm-none-eabi qemu-system-arm:qemu-system-arm \
        qemu-aarch64:qemu-user aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu /usr/bin/cargo:cargo-web /usr/bin/rustc:rustc-web; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ -e /usr/aarch64-linux-gnu/include/stdio.h ] || missing+=(libc6-dev-arm64-cross)
    # A compiler with its own source can build `core` for any target.
    [ -e "$(/usr/bin/rustc --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/core" ] || missing+=(rust-web-src)
    [ ${#missing[@]} = 0 ] && return
    echo "installing ${missing[*]}"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    [ "$(id -u)" = 0 ] || apt=(sudo "${apt[@]}")
    "${apt[@]}" update
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" libc6-dev >/dev/null
}

# Builds the static library for another target, with `core` from source.
for_target() {
    RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc /usr/bin/cargo rustc --locked --quiet -p suntap-c --crate-type staticlib \
        --target "$1" --profile "$2" -Zbuild-std=core
}

fail() { echo "$*" >&2; exit 1; }

tools
# These builds need most of the time, so they run while the computer does the rest.
for_target thumbv7m-none-eabi small >"$out/thumb.log" 2>&1 &
thumb=$!
for_target aarch64-unknown-linux-gnu checked >"$out/arm.log" 2>&1 &
arm=$!
trap 'kill "$thumb" "$arm" 2>/dev/null || true' EXIT

echo "== header"
cargo build --locked --quiet -p suntap-c-tool
tool=$CARGO_TARGET_DIR/debug/suntap-c-tool
"$tool" cases >"$out/cases.h"
"$tool" header >"$out/suntap.h"
[ "$record" = --record ] && cp "$out/suntap.h" include/suntap.h
diff -u include/suntap.h "$out/suntap.h" || fail "include/suntap.h is old: run run.sh --record"
strict=(-Wall -Wextra -Werror -pedantic -I include)
gcc -std=c99 "${strict[@]}" -fsyntax-only -x c include/suntap.h
gcc -std=c11 "${strict[@]}" -Wconversion -Wcast-align -fsyntax-only -x c include/suntap.h
g++ -std=c++11 "${strict[@]}" -fsyntax-only -x c++ include/suntap.h

echo "== tests of the border in Rust"
cargo test --locked --quiet -p suntap-c

echo "== this computer, with sanitizers"
prefix=$out/prefix
./install.sh "$prefix"
sanitize=(-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all)
checks=(test/main.c test/checks.c)
gcc -std=c11 "${strict[@]}" "${sanitize[@]}" -I"$out" "${checks[@]}" "$prefix/lib/libsuntap.a" -lpthread -o "$out/checks"
"$out/checks"

echo "== pkg-config: the example of the README, with the shared and the static library"
# The program in the README is the file.
diff -u <(sed -n '/^```c$/,/^```$/p' README.md | sed '/^```/d') example/verify.c || fail "the README differs from example/verify.c"
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
[ "$(pkg-config --modversion suntap)" = "$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -1)" ]
read -ra flags < <(pkg-config --cflags --libs suntap)
url='https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086'
expected="genuine and new: counter 61
refused: replayed tap: this tap, with counter 61, was already accepted
refused: tap is not authentic"
for kind in shared static; do
    [ $kind = shared ] || flags=(-I"$prefix/include" "$(pkg-config --variable=libdir suntap)/libsuntap.a")
    gcc -std=c99 "${strict[@]}" -Itest example/verify.c "${flags[@]}" -o "$out/verify-$kind"
    actual=$(printf '%s\n' "$url" "$url" "${url/94EE/94EF}" | LD_LIBRARY_PATH=$prefix/lib "$out/verify-$kind")
    [ "$actual" = "$expected" ] || fail "$kind: unexpected output: $actual"
done
echo "$actual"

echo "== exported symbols"
functions=$(grep -oE '\bsuntap_[a-z_]+\(' include/suntap.h | tr -d '(' | grep -vE '_(t|fn)$' | sort -u)
exported=$(nm -D --defined-only "$prefix/lib/libsuntap.so" | awk '{ print $3 }' | sort)
diff <(echo "$functions") <(echo "$exported") || fail "the shared library does not export exactly the functions of the header"
# With panic=abort, the library can neither unwind nor allocate. Its only imports are functions of the C library.
needs=$(nm -D --undefined-only "$prefix/lib/libsuntap.so" | awk '$1 == "U" { print $2 }' | sed 's/@.*//' | sort -u)
unexpected=$(grep -vxE 'abort|memcpy|memmove|memset|memcmp|bcmp|strlen' <<<"$needs" || true)
[ -z "$unexpected" ] || fail "unexpected imports: $unexpected"
echo "exports $(wc -l <<<"$exported") functions; imports" $needs

echo "== ARM Linux in QEMU, with sanitizers, debug assertions and overflow checks"
wait "$arm" || { cat "$out/arm.log"; exit 1; }
aarch64-linux-gnu-gcc -std=c11 "${strict[@]}" "${sanitize[@]}" -I"$out" "${checks[@]}" \
    "$CARGO_TARGET_DIR/aarch64-unknown-linux-gnu/checked/libsuntap_c.a" -lpthread -o "$out/checks-arm"
# The leak sanitizer does not work in QEMU.
ASAN_OPTIONS=detect_leaks=0 qemu-aarch64 -L /usr/aarch64-linux-gnu "$out/checks-arm"

echo "== Cortex-M3 in QEMU, without a C library"
wait "$thumb" || { cat "$out/thumb.log"; exit 1; }
firmware() {
    local name=$1
    shift
    arm-none-eabi-gcc -std=c11 "${strict[@]}" -I"$out" -mcpu=cortex-m3 -mthumb -Os -ffreestanding -ffunction-sections -fdata-sections \
        -nostdlib -Wl,--gc-sections -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -Tfirmware/lm3s6965.ld firmware/start.c "$@" \
        "$CARGO_TARGET_DIR/thumbv7m-none-eabi/small/libsuntap_c.a" -lgcc -o "$out/$name.elf"
}
qemu() {
    timeout 120 qemu-system-arm -M lm3s6965evb -cpu cortex-m3 -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native -kernel "$out/$1.elf" 2>&1 | sed '/^Timer with period zero/d'
}
firmware checks firmware/checks.c test/checks.c
firmware size-nothing firmware/size-nothing.c
firmware size-admit firmware/size-admit.c
qemu checks | tee "$out/firmware.log"
qemu size-admit
grep -qE '^cases ([0-9]+) of \1, .* checks ([0-9]+) of \2$' "$out/firmware.log" || fail "checks failed on the microcontroller"

# Figures: the size of a program is its .text and .rodata, minus those of an empty program. Stack was measured by painting.
flash_of() { arm-none-eabi-size -A "$out/$1.elf" | awk '$1 ~ /^\.(text|rodata|data)$/ { sum += $2 } END { print sum }'; }
if arm-none-eabi-nm "$out/checks.elf" | grep -E '_Unwind|personality'; then fail "the firmware can unwind"; fi
{
    printf 'flash %s\n' $(($(flash_of size-admit) - $(flash_of size-nothing)))
    sed -n 's/^figure: //p' "$out/firmware.log"
    printf 'calls-of-panic %s\n' "$(arm-none-eabi-objdump -d "$out/size-admit.elf" | grep -cE 'bl\s.*(slice_index_fail|unwrap_failed|panic_const|panic_bounds_check)' || true)"
} >"$out/figures"
versions=$(/usr/bin/rustc --version; arm-none-eabi-gcc --version | head -1; sha256sum Cargo.lock | cut -c1-16)
[ "$record" = --record ] && { sed 's/^/# /' <<<"$versions"; cat "$out/figures"; } >figures.txt
same=yes
diff -q <(grep '^# ' figures.txt) <(sed 's/^/# /' <<<"$versions") >/dev/null || same=no
[ $same = yes ] || echo "(figures.txt was recorded with other versions: not compared)"
grown=0
printf '\n%-24s %8s %8s\n' "" now recorded
while read -r line; do
    name=${line% *} now=${line##* }
    recorded=$(sed -n "s/^$name //p" figures.txt)
    printf '%-24s %8s %8s\n' "$name" "$now" "${recorded:--}"
    if [ $same = yes ] && [ "$now" -gt $((recorded + recorded / 20)) ]; then
        echo "  grown by more than 5%"
        grown=1
    fi
done <"$out/figures"
[ $grown = 0 ] || exit 1
echo "bindings/c: $(grep -oE 'cases [0-9]+ of [0-9]+' "$out/firmware.log") on this computer, on ARM Linux and on a Cortex-M3"
