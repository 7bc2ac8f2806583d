#!/usr/bin/env bash
# Builds the npm package in pkg/, checks its size and its types, and tests it in Node, in Chromium and in workerd.
#
# Needs Rust, Node 18 or later, npm and Chromium. On Debian, it installs what is missing.
set -euo pipefail
cd "$(dirname "$0")"
start=$SECONDS

apt() {
    local with=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
    if [ "$(id -u)" = 0 ]; then "${with[@]}" "$@"; else sudo "${with[@]}" "$@"; fi
}
install() {
    echo "installing $*"
    apt update
    apt install -y --no-install-recommends "$@" >/dev/null
}

# With the target of rustup, cargo has a `core` for WebAssembly. Otherwise, a compiler with its own source builds one (Debian:
# rustc-web, cargo-web, rust-web-src, and lld as the linker).
target=wasm32-unknown-unknown
if rustup target list --installed 2>/dev/null | grep -qx "$target"; then
    wasm=(cargo build)
else
    ls /usr/lib/rustlib/src/rust/library/core/Cargo.toml /usr/bin/cargo /usr/bin/wasm-ld >/dev/null 2>&1 ||
        install rustc-web cargo-web rust-web-src lld
    wasm=(env RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld
        /usr/bin/cargo build -Zbuild-std=core,alloc)
fi
node --version >/dev/null 2>&1 && npm --version >/dev/null 2>&1 || install nodejs npm
[ "$(node --print 'process.versions.node.split(".")[0]')" -ge 18 ] || { echo "needs Node 18 or later"; exit 1; }
chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$chromium" ] || { install chromium; chromium=chromium; }
export CHROMIUM=$chromium

# The generator runs on the host. It is built while npm and the other cargo work.
generator_target=${CARGO_TARGET_DIR:-generator/target}
cargo build --locked --quiet --manifest-path generator/Cargo.toml --target-dir "$generator_target" &
generator=$!
[ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
out=${CARGO_TARGET_DIR:-target}
"${wasm[@]}" --locked --quiet --release --target "$target" --target-dir "$out"
wait "$generator"

# The glue, the codes and the version.
rm -rf build pkg src/generated
"$generator_target/debug/suntap-wasm-generator" "$out/$target/release" src/generated
# The features that the compiler uses. Every browser and runtime has had them since 2023.
features=(--enable-bulk-memory --enable-multivalue --enable-mutable-globals --enable-nontrapping-float-to-int
    --enable-reference-types --enable-sign-ext)
for module in src/generated/*.wasm; do
    npx wasm-opt -Oz "${features[@]}" "$module" -o "$module"
done

# The package.
npx tsc
mkdir -p build pkg/dist/generated
cp src/generated/*_bg.wasm src/generated/{verifier,doctor}.js pkg/dist/generated/
cp src/generated/package.json README.md ../../../LICENSE-APACHE ../../../LICENSE-MIT pkg/
rm pkg/dist/mark.d.ts pkg/dist/*.{node,web,workerd}.d.ts
(cd pkg && npm pack --silent --pack-destination ../build >/dev/null)
npm install --no-save --ignore-scripts --no-fund --no-audit --loglevel=error --prefer-offline ./build/suntap-*.tgz

size() { wc -c <"src/generated/$1_bg.wasm"; }
zipped() { gzip -9c "src/generated/$1_bg.wasm" | wc -c; }
limit=$((80 * 1024))
[ "$(size verifier)" -le "$limit" ] || { echo "the verifier has $(size verifier) bytes, more than $limit"; exit 1; }

# The types: strict, without `any`, and complete for a user who has no other types.
npx tsc -p test
npx tsc -p worker
if sed -e 's|/\*.*\*/||' -e '/^ *\/\*\*/,/\*\//d' -e 's/"any"//' pkg/dist/*.d.ts pkg/dist/generated/*.d.ts | grep -nw any; then
    echo "a type of the package is any"
    exit 1
fi

# Bundles for workerd, made as its deployment tool makes them.
npx esbuild worker/src/worker.ts test/workerd.mjs --bundle --format=esm --target=es2022 --conditions=workerd \
    --external:cloudflare:workers --loader:.wasm=copy --asset-names=[name] --entry-names=[name] --outdir=build --log-level=warning

log=build/tests.txt
node --test test/*.test.mjs >"$log" 2>&1 || { cat "$log"; exit 1; }
sed -n 's/^# \(cases .*\)/\1/p' "$log"
[ "$(grep -c '^# cases \([0-9]*\) of \1 in ' "$log")" = 4 ] || { cat "$log"; echo "the cases did not run everywhere"; exit 1; }
echo "tests $(sed -n 's/^# pass //p' "$log") of $(sed -n 's/^# tests //p' "$log")"
echo "verifier $(size verifier) bytes ($(zipped verifier) with gzip, at most $limit without)"
echo "doctor $(size doctor) bytes ($(zipped doctor) with gzip)"
echo "seconds $((SECONDS - start))"
