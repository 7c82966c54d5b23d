#!/usr/bin/env python3
"""A training step of a small vision transformer on the CPU in PyTorch, every parameter trained.

    python3 transformer_step.py [--threads 2] [--steps 30] [--width 256] [--batch 32] [--fused] [--compile]

The peer of `cargo bench -p dacapo-benches --bench transformer`: 8x8 images in patches of 1x1, so 64
tokens and a class token, width 256, 4 blocks of 4 heads, MLP of 4 x 256, 10 classes, cross-entropy,
AdamW. Weights and images are random: only the time matters. Prints JSON.
"""

import argparse
import json
import statistics

import torch

from peerlib import classifier_steps
from vit_l_step import Vit


class Size:
    side, patch, heads, classes = 8, 1, 4, 10


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--blocks", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--fused", action="store_true", help="the fused AdamW")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    size = Size()
    size.width, size.mlp, size.blocks = args.width, 4 * args.width, args.blocks
    model = Vit(size, "none").requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=args.fused or None)
    images = torch.rand(args.batch, size.side, size.side)
    labels = torch.arange(args.batch) % size.classes
    run = torch.compile(model) if args.compile else model
    seconds = classifier_steps(run, optimizer, images, labels, 5, args.steps)
    print(json.dumps(dict(
        who="pytorch", torch=torch.__version__, threads=args.threads, fused=args.fused,
        compile=args.compile, median_ms=1e3 * statistics.median(seconds),
        fastest_ms=1e3 * min(seconds),
    )))


if __name__ == "__main__":
    main()
