#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh virtual environment, and runs its tests. It needs Rust and Python 3.10 or later.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
target=${CARGO_TARGET_DIR:-$PWD/target}
venv=$target/venv

# Debian has the module `venv` in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    apt() {
        local with=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
        if [ "$(id -u)" = 0 ]; then "${with[@]}" "$@"; else sudo "${with[@]}" "$@"; fi
    }
    apt update
    apt install -y --no-install-recommends gcc libc6-dev python3 python3-venv >/dev/null
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed: set PYTHON")'
rm -rf "$venv" "$target/wheels"
"$python" -m venv "$venv"
PATH=$venv/bin:$PATH
pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt
maturin build --quiet --release --locked --out "$target/wheels"
pip install --quiet --disable-pip-version-check --no-index "$target"/wheels/suntap-*-abi3-*.whl

ruff check --quiet .
ruff format --quiet --check .
mypy
python -m mypy.stubtest suntap
# From another folder, so that Python imports the installed wheel and not the sources.
tests=$PWD
(cd "$target" && python -m pytest --rootdir "$tests" -c "$tests/pyproject.toml" "$tests/tests")
printf '%s, %d bytes\n' "$(basename "$target"/wheels/*.whl)" "$(stat -c %s "$target"/wheels/*.whl)"
