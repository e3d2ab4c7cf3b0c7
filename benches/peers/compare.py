"""Checks all peers, times them and us in turn, and writes docs/performance.md."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import numpy

import page
import problem

HERE = pathlib.Path(__file__).parent
THREADS = 2
WORKS = ("step0", "step1", "ode", "sde")


def peers(fokker):
    """Command line and number of threads of everything that is timed, by name."""
    python = lambda script, *options: [sys.executable, "-W", "ignore", str(HERE / script), *options]
    two = {
        page.US: [fokker],
        page.PUBLISHED: python("torch_nested.py", "--flush", "off", "--whole"),
        f"{page.PUBLISHED}, flush": python("torch_nested.py", "--flush", "on", "--whole"),
        "PyTorch, nested autograd": python("torch_nested.py", "--flush", "off"),
        "PyTorch, nested autograd, flush": python("torch_nested.py", "--flush", "on"),
        "PyTorch, by hand, compiled": python("torch_by_hand.py", "--flush", "off"),
        "PyTorch, by hand, compiled, flush": python("torch_by_hand.py", "--flush", "on"),
        "JAX, nested": python("jax_nested.py"),
        "JAX, by hand": python("jax_by_hand.py"),
        page.TWO_DEVICES: python("jax_by_hand.py", "--devices", "2"),
    }
    all_peers = {name: (command, THREADS) for name, command in two.items()}
    all_peers[page.ONE_THREAD] = ([fokker], 1)
    return all_peers


# Freed memory stays with the process: giving it back and faulting it in again for every array costs
# PyTorch half its time or more. The same for all but the code as published, which knows no such thing.
KEEP = {"MALLOC_TRIM_THRESHOLD_": str(2**32), "MALLOC_MMAP_THRESHOLD_": str(2**32)}


def run(command, threads=THREADS):
    """The last line that a command prints, on the first `threads` processors, as JSON."""
    cpus = sorted(os.sched_getaffinity(0))[:threads]
    done = subprocess.run(
        command,
        env=os.environ | ({} if "--whole" in command else KEEP),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
    )
    if done.returncode != 0:
        sys.exit(f"failed with {done.returncode}: {' '.join(command)}\n{done.stdout}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    for line in done.stdout.splitlines():
        if not line.startswith("{"):
            print(" ", line, flush=True)
    return json.loads(lines[-1])


def check(fokker):
    """Lets each peer compare formulations, and compares the losses of all at the same points."""
    with tempfile.NamedTemporaryFile(suffix=".f32") as file:
        points = numpy.concatenate(problem.check_points(), 1)
        for array in (*problem.parameters(), points):
            file.write(array.astype("<f4").tobytes())
        file.flush()
        expected = run([fokker, "--what", "losses", "--points", file.name])
    for script in ("torch_nested.py", "torch_by_hand.py", "jax_nested.py", "jax_by_hand.py"):
        print(f"checking {script}", flush=True)
        found = run([sys.executable, "-W", "ignore", str(HERE / script), "--check"])
        for part, value in expected.items():
            if not abs(found[part] - value) <= 1e-4 * value:
                sys.exit(f"{script}: {part} loss {found[part]}, but ours is {value}")


def timings(candidates, rounds, seconds):
    """`medians[work][peer]`: for each round the median over one process, all in turn."""
    has = lambda name, work: name != page.TWO_DEVICES or work in ("ode", "sde")
    medians = {work: {name: [] for name in candidates if has(name, work)} for work in WORKS}
    for number in range(rounds):
        for work in WORKS:
            for name in medians[work]:
                command, threads = candidates[name]
                options = ["--what", work, "--threads", str(threads), "--seconds", str(seconds)]
                times = run(command + options, threads)["seconds"]
                medians[work][name].append(statistics.median(times))
                figure = f"{1e3 * medians[work][name][-1]:9.1f} ms ({len(times)} times)"
                print(f"round {number + 1}/{rounds}  {work}  {name:36}{figure}", flush=True)
    return medians


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fokker", required=True, help="our side, built")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the page to write")
    parser.add_argument("--quick", action="store_true", help="two short rounds")
    parser.add_argument("--rounds", type=int, default=5, help="long rounds")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < THREADS:
        sys.exit(f"the comparison needs {THREADS} processors")
    rounds, seconds = (2, 0.3) if options.quick else (options.rounds, 2.0)
    check(options.fokker)
    gemm = [sys.executable, "-W", "ignore", str(HERE / "gemm.py")]
    peaks = [run(gemm, 1)]
    medians = timings(peers(options.fokker), rounds, seconds)
    peaks.append(run(gemm, 1))
    peak = {name: max(p[name] for p in peaks) for name in peaks[0]}
    text = page.text(medians, peak, rounds, seconds, options.quick)
    begin, end = page.TRANSPORT
    old = options.out.read_text() if options.out.exists() else ""
    if begin in old:
        text += "\n" + old[old.index(begin) : old.index(end)] + end + "\n"
    options.out.write_text(text)
    print(page.tables(medians))
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
