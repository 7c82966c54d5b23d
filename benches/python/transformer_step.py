#!/usr/bin/env python3
"""A training step of a small vision transformer on the CPU in PyTorch, every parameter trained.

    python3 transformer_step.py [--threads 2] [--steps 30] [--width 256] [--batch 32] [--fused] [--compile]

The peer of `cargo bench -p dacapo-benches --bench transformer`: 8x8 images in patches of 1x1, so 64
tokens and a class token, width 256, 4 blocks of 4 heads, MLP of 4 x 256, 10 classes, cross-entropy,
AdamW. With `--late` only the last block and the head are trained. Weights and images are random: only
the time matters. Prints JSON.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, d = x.shape

        def split(y):
            return y.reshape(n, t, self.heads, d // self.heads).transpose(1, 2)

        h = self.norm1(x)
        y = F.scaled_dot_product_attention(
            split(self.query(h)), split(self.key(h)), split(self.value(h))
        )
        x = x + self.out_proj(y.transpose(1, 2).reshape(n, t, d))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self, width, blocks):
        super().__init__()
        self.patch_embed = nn.Linear(1, width)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 65, width))
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, images):
        x = self.patch_embed(images.reshape(len(images), 64, 1))
        x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


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
    model = Vit(args.width, args.blocks)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=args.fused or None)
    images = torch.rand(args.batch, 8, 8)
    labels = torch.arange(args.batch) % 10
    run = torch.compile(model) if args.compile else model
    seconds = []
    for _ in range(5 + args.steps):
        start = time.perf_counter()
        loss = F.cross_entropy(run(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - start)
    seconds = seconds[5:]
    print(json.dumps(dict(
        who="pytorch", torch=torch.__version__, threads=args.threads, fused=args.fused,
        compile=args.compile, median_ms=1e3 * statistics.median(seconds),
        fastest_ms=1e3 * min(seconds),
    )))


if __name__ == "__main__":
    main()
