"""The page docs/performance.md from the figures of one comparison."""

import datetime
import importlib.metadata
import pathlib
import platform
import statistics
import subprocess

import problem

US = "fokker"
ONE_THREAD = "fokker, one thread"
PUBLISHED = "PyTorch, as published"
TWO_DEVICES = "JAX, by hand, two devices"
TITLES = {
    "step0": "Training step, w_R = 0 (ms)",
    "step1": "Training step, w_R = 1 (ms)",
    "ode": "Sampling, ODE (million scores per second)",
    "sde": "Sampling, SDE (million scores per second)",
}
# The marks around the section that transport.py writes.
TRANSPORT = ("<!-- transport -->", "<!-- end of transport -->")
SCORES = problem.PARTICLES * problem.STEPS

# 80 × 80 products that the work needs: 12 per denoising point, 24 per residual point, 4 per score.
PRODUCT = 2 * 80 * 80
FLOP = {
    "step0": PRODUCT * 12 * problem.DENOISING_POINTS,
    "step1": PRODUCT * (12 * problem.DENOISING_POINTS + 24 * problem.RESIDUAL_POINTS),
    "ode": PRODUCT * 4 * SCORES,
    "sde": PRODUCT * 4 * SCORES,
}


def shown(work, seconds):
    return f"{1e3 * seconds:.1f}" if work.startswith("step") else f"{SCORES / seconds / 1e6:.2f}"


def table(work, medians):
    """One row per peer: the median over rounds, the range, and its time over ours."""
    ours = statistics.median(medians[US])
    rows = [f"| {TITLES[work]} | median | over rounds | time / ours |", "| --- | ---: | ---: | ---: |"]
    for name, times in medians.items():
        middle = statistics.median(times)
        low, high = sorted((shown(work, min(times)), shown(work, max(times))), key=float)
        rows.append(f"| {name} | {shown(work, middle)} | {low}–{high} | {middle / ours:.2f} |")
    return "\n".join(rows)


def tables(medians):
    return "\n\n".join(table(work, medians[work]) for work in medians)


def rates(medians, peak):
    """Our useful GFLOP/s and their share of the peak, in all and per thread."""
    best = max(peak.values())
    rows = ["| work | threads | GFLOP/s | per thread, of the peak |", "| --- | ---: | ---: | ---: |"]
    for work, times in medians.items():
        for name, threads in ((US, 2), (ONE_THREAD, 1)):
            rate = FLOP[work] / statistics.median(times[name]) / 1e9
            share = rate / threads / best
            rows.append(f"| {TITLES[work].split(' (')[0]} | {threads} | {rate:.0f} | {share:.0%} |")
    return "\n".join(rows)


def processor():
    fields = {}
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = fields.get("flags", "").split()
    vectors = [name for name in ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    numbers = [f"{key} {fields[key]}" for key in ("cpu family", "model") if key in fields]
    return f"{fields.get('model name', 'unknown')} ({', '.join(numbers + vectors)})"


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def text(medians, peak, rounds, seconds, quick):
    here = pathlib.Path(__file__).parent
    versions = ", ".join(
        f"{name} {importlib.metadata.version(package)}"
        for name, package in (("PyTorch", "torch"), ("JAX", "jax"), ("jaxlib", "jaxlib"))
    )
    commit = output("git", "-C", str(here), "describe", "--always", "--dirty")
    values = {
        "option": " --quick" if quick else "",
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": f"{versions}, Python {platform.python_version()}, {output('rustc', '--version')}",
        "compiler": output("g++", "--version").splitlines()[0],
        "rounds": rounds,
        "seconds": seconds,
        "tables": tables(medians),
        "rates": rates(medians, peak),
        "peaks": ", ".join(f"{value:.0f} with {name}" for name, value in peak.items()),
    }
    return (here / "page.md").read_text().format(**values)
