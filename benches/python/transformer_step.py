#!/usr/bin/env python3
"""A training step of a small vision transformer on the CPU, every parameter trained.

    python3 transformer_step.py --program DACAPO [--json FILE]     the program
    python3 transformer_step.py [--no-compile] [--json FILE]       the same step in PyTorch

8x8 images in patches of 1x1, so 64 tokens and a class token, width 256, 4 blocks of 4 heads, MLP of
4 x 256, 10 classes, batch 32, cross-entropy, AdamW. The program's steps are timed by when it tells of
them; PyTorch is timed eager and compiled, with AdamW as it comes and with the fused one, on one batch
of random images.
`cargo bench -p dacapo-benches --bench transformer` is the program's step without the program.
"""

import argparse
import os
import statistics
import tempfile

import torch

from peerlib import Report, classifier_steps, common_arguments, last_steps
from ranks import RUN, TRANSFORMER
from vit_l_step import Vit


class Size:
    side, patch, heads, classes, width, mlp, blocks = 8, 1, 4, 10, 256, 1024, 4


def program_steps(args, steps, folder):
    os.environ["RAYON_NUM_THREADS"] = str(args.threads)
    command = [
        args.program, "-vv", "train", *RUN, *TRANSFORMER, "--out", os.path.join(folder, "run"),
        "--set", f"model.vit.patch_size={Size.patch}", "--set", "adapt.mode=full",
        "--set", "train.batch_size=32", "--stop-after-step", str(steps + args.warm_up),
    ]
    return last_steps(command, steps)


def torch_steps(args, steps, fused, compiled):
    torch.manual_seed(0)
    model = Vit(Size, "none").requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=fused or None)
    images = torch.rand(32, Size.side, Size.side)
    labels = torch.arange(32) % Size.classes
    run = torch.compile(model) if compiled else model
    return classifier_steps(run, optimizer, images, labels, args.warm_up, steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common_arguments(parser, budget=600)
    parser.add_argument("--program", help="the program dacapo; without it, PyTorch")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm-up", type=int, default=5, help="steps before them, which do not count")
    args = parser.parse_args()
    if args.device != "cpu":
        raise SystemExit("transformer_step: expected --device cpu; on a GPU the step is that of vit_l_step.py")
    torch.set_num_threads(args.threads)
    report = Report("transformer", torch.device("cpu"), args.json, args.budget, args)
    steps = 4 if args.quick else args.steps

    def measure(who, seconds):
        report.row(
            who=who, threads=args.threads, median_ms=1e3 * statistics.median(seconds), fastest_ms=1e3 * min(seconds),
        )

    if args.program:
        args.program = os.path.abspath(args.program)
        with tempfile.TemporaryDirectory() as folder:
            report.attempt("dacapo", lambda: measure("dacapo", program_steps(args, steps, folder)))
        return
    for compiled in [False] if args.no_compile else [False, True]:
        for fused in [False, True]:
            who = "PyTorch " + ("compiled" if compiled else "eager") + (", fused AdamW" if fused else "")
            report.attempt(who, lambda: measure(who, torch_steps(args, steps, fused, compiled)))


if __name__ == "__main__":
    main()
