#!/usr/bin/env bash
# Times exact transport beside POT and writes its section of docs/performance.md. Not part of the checks:
# it installs POT, and takes ten minutes.
#
#   benches/peers/transport.sh HISTOGRAMS [--rounds N]
#
# HISTOGRAMS: a folder of NAME_ode.npy, NAME_sde.npy and TARGET_truth.npy, where NAME is TARGET_w….
# PEERS_VENV, PYTHON: as for run.sh. PEERS_OUT: the page to change (default docs/performance.md).
set -euo pipefail
histograms=$(realpath "${1:?a folder of histograms is missing}")
shift
cd "$(dirname "$0")/../.."
venv=${PEERS_VENV:-target/peers-venv}
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet numpy POT==0.9.7.post1
cargo build --release --locked --package fokker-benches --example transport
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" benches/peers/transport.py "$@" --histograms "$histograms" \
    --fokker "${CARGO_TARGET_DIR:-target}/release/examples/transport" --out "${PEERS_OUT:-docs/performance.md}"
