"""Command line, timing and output that the Python peers share."""

import argparse
import json
import sys
import time

WORKS = ("step0", "step1", "ode", "sde")
WARM_UP = 1.0
FEWEST_REPETITIONS = 2


def options(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--what", choices=WORKS, default="step0", help="the work to time")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="time to spend on repetitions")
    parser.add_argument("--flush", choices=("on", "off"), default="on", help="flush denormals")
    parser.add_argument("--whole", action="store_true", help="all points in one pass")
    parser.add_argument("--devices", type=int, default=1, help="host devices of JAX")
    parser.add_argument("--check", action="store_true", help="compare formulations, time nothing")
    return parser.parse_args()


def repeat(work, seconds):
    """The seconds of each call of `work`, which must not return before its results are there."""
    start = time.perf_counter()
    work()  # compiles
    while time.perf_counter() - start < min(WARM_UP, seconds):
        work()
    start, times = time.perf_counter(), []
    while len(times) < FEWEST_REPETITIONS or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        work()
        times.append(time.perf_counter() - before)
    return times


def report(options, times, **more):
    print(json.dumps({"what": options.what, "threads": options.threads, "seconds": times, **more}))


def require(name, difference, tolerance):
    """Prints one line of a check, and ends the process if it failed."""
    print(f"{name}: relative difference {difference:.1e}")
    if not difference <= tolerance:
        sys.exit(f"{name}: {difference:.1e} is above {tolerance:.0e}")


def check_losses(name, denoising, residual, other_denoising, other_residual):
    """Compares two formulations of the losses, each a pair of value and gradient.

    Prints the values, so that they can be compared between frameworks.
    """
    from problem import relative_difference

    pairs = (("denoising", denoising, other_denoising), ("residual", residual, other_residual))
    for part, (value, gradient), (other_value, other_gradient) in pairs:
        require(f"{name}, {part} loss", relative_difference([value], [other_value]), 1e-4)
        require(f"{name}, {part} gradient", relative_difference(gradient, other_gradient), 1e-4)
    print(json.dumps({"denoising": float(denoising[0]), "residual": float(residual[0])}))
