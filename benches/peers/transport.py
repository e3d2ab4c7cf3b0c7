"""Times exact transport by fokker and by POT in turn, and writes the section of docs/performance.md on it."""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

import page

HERE = pathlib.Path(__file__).parent
BEGIN, END = page.TRANSPORT


def pairs(folder):
    """ODE against SDE, and SDE against truth, of every network of which there are histograms."""
    for sde in sorted(folder.glob("*_sde.npy")):
        name = sde.name.removesuffix("_sde.npy")
        truth = folder / f"{name.rsplit('_', 1)[0]}_truth.npy"
        yield f"{name}, ODE–SDE", folder / f"{name}_ode.npy", sde
        yield f"{name}, SDE–truth", sde, truth


def run(command):
    """What a command prints, as JSON, with its largest resident memory in MB; on one processor."""
    cpu = min(os.sched_getaffinity(0))
    process = subprocess.Popen(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}")
    return json.loads(printed) | {"memory": usage.ru_maxrss / 1024}


def compare(options):
    rows, ratios, ours, memory = [], [], [], [0.0, 0.0]
    peers = ([options.fokker], [sys.executable, str(HERE / "transport_pot.py")])
    for name, first, second in pairs(options.histograms):
        times, values = ([], []), [0.0, 0.0]
        for _ in range(options.rounds):
            for side, command in enumerate(peers):
                found = run([*command, str(first), str(second), str(options.extent)])
                times[side].append(statistics.median(found["seconds"]))
                values[side] = found["value"]
                memory[side] = max(memory[side], found["memory"])
        us, pot = (statistics.median(times[side]) for side in (0, 1))
        difference = abs(values[0] - values[1]) / abs(values[1])
        if not difference <= 1e-7:
            sys.exit(f"{name}: {values[0]} differs from POT's {values[1]} by {difference:.1e}")
        ratios.append(pot / us)
        ours.append(us)
        rows.append(f"| {name} | {values[0]:.10f} | {1e3 * us:.1f} | {1e3 * pot:.0f} | {pot / us:.0f} | {difference:.0e} |")
        print(rows[-1], flush=True)
    if not rows:
        sys.exit(f"no histograms *_sde.npy in {options.histograms}")
    return rows, ratios, ours, memory


def section(options, rows, ratios, ours, memory):
    commit = page.output("git", "-C", str(HERE), "describe", "--always", "--dirty")
    table = "\n".join(rows)
    return f"""{BEGIN}
## Exact transport

`squared_w2` beside POT's `ot.emd2` (POT {importlib.metadata.version("pot")}), between pairs of 64 × 64 histograms of
3·10⁶ points each, the published samples of the paper's networks. Written by
`benches/peers/transport.sh HISTOGRAMS --rounds {options.rounds}`; rerun that instead of editing it.

The median ratio over the {len(rows)} pairs is **{statistics.median(ratios):.0f}**, the least {min(ratios):.0f}, the largest {max(ratios):.0f}; our median
time {1e3 * statistics.median(ours):.0f} ms, the longest {1e3 * max(ours):.0f} ms. Most memory of a process: {memory[0]:.0f} MB, POT's {memory[1]:.0f} MB.

| pair | W₂² | fokker (ms) | POT (ms) | ratio | relative difference |
| --- | ---: | ---: | ---: | ---: | ---: |
{table}

{datetime.date.today().isoformat()}, commit {commit}, {page.processor()}, Python {platform.python_version()}. Both in one
thread on the same processor, each pair in {options.rounds} rounds, in each a process of either in turn; the medians
are shown. POT gets the places with mass only and its matrix of costs before the clock starts; ours
starts from the histograms, and checks the optimum before it returns.
{END}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fokker", required=True, help="our side, built")
    parser.add_argument("--histograms", required=True, type=pathlib.Path, help="folder of .npy files")
    parser.add_argument("--extent", type=float, default=3.5, help="half the side of their box")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the page to change")
    options = parser.parse_args()
    text = section(options, *compare(options))
    old = options.out.read_text()
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    options.out.write_text(before + text + (after or "\n"))
    print(text)


if __name__ == "__main__":
    main()
