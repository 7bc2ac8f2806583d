#!/usr/bin/env bash
# Builds the library and installs the header, both libraries and the pkg-config file.
#
#   install.sh PREFIX
set -euo pipefail
[ $# = 1 ] || { echo "usage: install.sh PREFIX" >&2; exit 2; }
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
cd "$(dirname "$0")"
out=${CARGO_TARGET_DIR:-target}
cargo build --locked --quiet --release -p suntap-c
version=$(sed -n 's/^#define SUNTAP_VERSION "\(.*\)"$/\1/p' include/suntap.h)
# Before version 1.0, each minor version can break the interface.
shared=libsuntap.so.${version%.*}
install -d "$prefix/include" "$prefix/lib/pkgconfig"
install -m 644 include/suntap.h "$prefix/include/"
install -m 644 "$out/release/libsuntap_c.a" "$prefix/lib/libsuntap.a"
install -m 755 "$out/release/libsuntap_c.so" "$prefix/lib/$shared"
ln -sf "$shared" "$prefix/lib/libsuntap.so"
sed "s|@PREFIX@|$prefix|; s|@VERSION@|$version|" suntap.pc.in >"$prefix/lib/pkgconfig/suntap.pc"
echo "installed suntap $version in $prefix"
