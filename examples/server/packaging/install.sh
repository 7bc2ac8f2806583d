#!/bin/sh
# Builds suntap-server and installs it below a folder: `install.sh /` for this machine, or another folder for an image or a package.
# With SUNTAP_BINARY, an absolute path, installs this program instead of a new build.
set -eu
destination=${1:?usage: install.sh FOLDER}
case $destination in /*) ;; *) destination=$PWD/$destination ;; esac
cd "$(dirname "$0")/../../.."
binary=${SUNTAP_BINARY:-}
if [ -z "$binary" ]; then
    cargo build --locked --profile deploy -p suntap-server
    binary=${CARGO_TARGET_DIR:-target}/deploy/suntap-server
fi
install -D -m 0755 "$binary" "$destination/usr/bin/suntap-server"
packaging=examples/server/packaging
install -d "$destination/usr/share/man/man1"
install -m 0644 $packaging/*.1 "$destination/usr/share/man/man1/"
install -D -m 0644 $packaging/suntap-server.service "$destination/usr/lib/systemd/system/suntap-server.service"
install -d -m 0700 "$destination/var/lib/suntap"
