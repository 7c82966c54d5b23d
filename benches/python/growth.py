#!/usr/bin/env python3
"""How a training step of the default run grows with what is around it.

    python3 growth.py --program DACAPO [--json FILE] [--device cpu]     the program
    python3 growth.py [--json FILE] [--device cpu]                      the same step in PyTorch

One setting at a time is changed: batch size, rank, transformer blocks; for the program also the
images in the data set and the checkpoints that lie in the folder already, neither of which a
step should notice. The program's steps are timed by when it tells of them.
"""

import argparse
import os
import statistics
import subprocess
import tempfile

import torch

from peerlib import Report, classifier_steps, common_arguments, device_of, last_steps

AXES = {
    "batch": [8, 16, 32, 64, 128],
    # No more than the narrowest layer, the head of ten classes.
    "rank": [1, 2, 4, 8],
    "blocks": [1, 2, 4, 8, 16],
    "images": [128, 256, 512, 1024],
    "checkpoints": [1, 16, 64, 256],
}
SETTINGS = {
    "batch": "train.batch_size", "rank": "adapt.rank", "blocks": "model.vit.blocks",
    "images": "data.limit",
}


def program_steps(args, axis, value, steps, folder):
    run = os.path.join(folder, f"{axis}-{value}")
    command = [
        args.program, "-vv", "train", "--out", run, "--json",
        "--device", "cuda:0" if args.device == "cuda" else "cpu", "--epochs", "100000",
        "--set", "early_stopping.enabled=false", "--set", "model.base=random",
    ]
    if axis == "checkpoints":
        # One after every step until there are as many, and all are kept.
        subprocess.run(
            [*command, "--set", "checkpoint.every_steps=1", "--set", "checkpoint.keep_last=100000",
             "--stop-after-step", str(value)], check=True, capture_output=True,
        )
        resume = [args.program, "-vv", "resume", run, "--json", "--stop-after-step", str(value + steps + 5)]
        if args.device == "cuda":
            resume += ["--device", "cuda:0"]
        return last_steps(resume, steps)
    command += ["--set", f"{SETTINGS[axis]}={value}", "--stop-after-step", str(steps + 5)]
    return last_steps(command, steps)


def torch_steps(args, axis, value, steps):
    import vit_dora_step as peer

    sizes = {"batch": 32, "rank": 8, "blocks": 4}
    sizes[axis] = value
    device = device_of(args.device)
    torch.manual_seed(0)
    model = peer.Vit(sizes["blocks"], sizes["rank"]).to(device)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=6e-3, fused=True)
    images = torch.rand(sizes["batch"], peer.SIDE, peer.SIDE, device=device)
    labels = torch.arange(sizes["batch"], device=device) % peer.CLASSES
    return classifier_steps(model, optimizer, images, labels, 5, steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common_arguments(parser, budget=600)
    parser.add_argument("--program", help="the program dacapo; without it, PyTorch")
    parser.add_argument("--threads", type=int, help="PyTorch's threads")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--axes", default=",".join(AXES))
    args = parser.parse_args()
    if args.program:
        args.program = os.path.abspath(args.program)
    if args.threads:
        torch.set_num_threads(args.threads)
    report = Report("growth", torch.device(args.device), args.json, args.budget, args)
    steps = 4 if args.quick else args.steps
    with tempfile.TemporaryDirectory() as folder:
        for axis in args.axes.split(","):
            if not args.program and axis not in ("batch", "rank", "blocks"):
                continue
            for value in AXES[axis][:2] if args.quick else AXES[axis]:

                def measure():
                    if args.program:
                        seconds = program_steps(args, axis, value, steps, folder)
                    else:
                        seconds = torch_steps(args, axis, value, steps)
                    report.row(
                        who="dacapo" if args.program else "pytorch fused AdamW", axis=axis, at=value,
                        median_ms=1e3 * statistics.median(seconds), fastest_ms=1e3 * min(seconds),
                    )

                report.attempt(f"{axis} {value}", measure)


if __name__ == "__main__":
    main()
