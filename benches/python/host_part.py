#!/usr/bin/env python3
"""What a training step costs the host alone when it trains on a GPU: by a driver that computes nothing.

    python3 host_part.py --program DACAPO [--nanoseconds N] [--json FILE] [ARGUMENT OF train]...

Needs no GPU, but a C compiler and a `dacapo` built with `--features cuda`. The arguments are those of `dacapo
train`, without `--out` and `--device`; without any, the default run for three epochs. All numbers of the run are
zeros and mean nothing, but which kernels are launched depends on shapes alone: launches, copies and the host's time
of a step are those of a run on an H100. --nanoseconds: how long the driver keeps a launch or a copy, as a real one
does some 2500.

The first quarter of the steps is left out, which compiles, and steps between which an epoch ended.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter

HERE = os.path.dirname(os.path.abspath(__file__))
# The last kernel of a step, once or several times.
LAST = "step_tensors"


def built(folder):
    """The driver, under the names by which it is looked for, and headers that nobody reads."""
    source = os.path.join(HERE, "..", "cuda", "null_driver", "driver.c")
    library = os.path.join(folder, "libcuda.so")
    compiler = os.environ.get("CC", "cc")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-w", source, "-o", library], check=True)
    os.symlink("libcuda.so", os.path.join(folder, "libnvrtc.so"))
    os.mkdir(os.path.join(folder, "include"))
    for header in ("cuda_fp16.h", "cuda_bf16.h"):
        with open(os.path.join(folder, "include", header), "w", encoding="utf-8"):
            pass


def steps(trace):
    """Of each step but the first: launches, copies to the device and from it, milliseconds."""
    with open(trace, encoding="utf-8") as file:
        launches = [line.split() for line in file]
    last = [launch[1].startswith(LAST) for launch in launches] + [False]
    ends = [at for at, here in enumerate(last) if here and not last[at + 1]]
    for before, after in zip(ends, ends[1:]):
        first, last = launches[before], launches[after]
        copies = [int(last[i]) - int(first[i]) for i in (3, 4)]
        yield after - before, *copies, (int(last[0]) - int(first[0])) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--nanoseconds", type=int, default=0)
    parser.add_argument("--json", metavar="FILE")
    args, train = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        built(folder)
        trace = os.path.join(folder, "trace")
        environment = dict(
            os.environ, LD_LIBRARY_PATH=folder, CUDA_PATH=folder, NULL_DRIVER_TRACE=trace,
            NULL_DRIVER_NS=str(args.nanoseconds),
        )
        command = [args.program, "train", *(train or ["--epochs", "3"]), "--device", "cuda:0"]
        command += ["--out", os.path.join(folder, "run"), "--no-kernel-cache"]
        ran = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL)
        if ran.returncode:
            sys.exit(f"{' '.join(command)} failed with exit code {ran.returncode}")
        found = list(steps(trace))
    if not found:
        sys.exit("fewer than two steps were taken")
    # A step that an epoch ended before has the evaluation's launches, too.
    usual = Counter(step[0] for step in found).most_common(1)[0][0]
    inside = [step for step in found[len(found) // 4 :] if abs(step[0] - usual) <= 2]
    median = lambda at: statistics.median(step[at] for step in inside)
    row = dict(
        steps=len(inside), launches=usual, to_device=median(1), from_device=median(2),
        median_ms=median(3), fastest_ms=min(step[3] for step in inside),
    )
    print("  ".join(f"{name} {value:.4g}" for name, value in row.items()))
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"arguments": train, "nanoseconds": args.nanoseconds, **row}, file, indent=1)


if __name__ == "__main__":
    main()
