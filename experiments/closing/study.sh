#!/usr/bin/env bash
# The study of docs/closing-the-gap.md: every recipe of this folder with every seed, one run folder for each, and their distances
# beside each other. Two to three minutes for each network on two cores; what is finished is not done again.
#
#     experiments/closing/study.sh OUT [SEED…]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
seeds=${*:2}
cargo build --release --quiet --manifest-path "$here/../../Cargo.toml" --package fokker-cli
fokker=$here/../../target/release/fokker
for seed in ${seeds:-0}; do
    for recipe in "$here"/*.ron; do
        run=$out/$(basename "$recipe" .ron)-$seed
        [ -e "$run/summary.json" ] || "$fokker" run "$recipe" --seed "$seed" --out "$run"
    done
done
"$fokker" compare "$out"/*-[0-9] "$here/paper.csv" --figure "$out/figures" --table "$out/results.csv"
cargo run --release --quiet --manifest-path "$here/../../Cargo.toml" --package fokker-benches --example score_errors -- \
    "$out"/*/checkpoints/*.safetensors
