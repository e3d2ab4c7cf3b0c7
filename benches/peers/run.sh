#!/usr/bin/env bash
# Times fokker beside PyTorch and JAX and writes docs/performance.md. Not part of the checks: it
# downloads several gigabytes the first time, and takes about half an hour.
#
#   benches/peers/run.sh [--quick | --rounds N]
#
# PEERS_VENV: the Python environment to make or use (default target/peers-venv).
# PEERS_OUT: the page to write (default docs/performance.md; with --quick target/performance.md).
# PYTHON: the interpreter that makes the environment (default python3).
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 1
}

options=()
out=docs/performance.md
case "$*" in
    '') ;;
    --quick) options=(--quick) out=target/performance.md ;;
    --rounds\ [1-9] | --rounds\ [1-9][0-9]) options=("$@") ;;
    *) fail "options are --quick, or --rounds and a number from 1 to 99; not $*" ;;
esac
[ -z "${CI-}" ] || fail "timings on a shared runner mean nothing; CI is set"
[ "$(uname -s)" = Linux ] || fail "needs Linux: processes are bound to processors"
venv=${PEERS_VENV:-target/peers-venv}
python=${PYTHON:-python3}
for tool in cargo git g++ "$python"; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
done

mkdir -p target
if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv" || fail "cannot make a Python environment in $venv"
fi
"$venv/bin/python" -m pip install --quiet --requirement benches/peers/requirements.txt ||
    fail "cannot install benches/peers/requirements.txt"

target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked --package fokker-benches --example peer

# Compiled kernels are kept from run to run.
export TORCHINDUCTOR_CACHE_DIR=$PWD/target/peers-cache PYTHONDONTWRITEBYTECODE=1
"$venv/bin/python" benches/peers/compare.py --fokker "$target/release/examples/peer" \
    --out "${PEERS_OUT:-$out}" "${options[@]}"
