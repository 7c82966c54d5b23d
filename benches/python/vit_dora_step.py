#!/usr/bin/env python3
"""The training step of dacapo's default run in PyTorch: same sizes, same formulas.

    python3 vit_dora_step.py [--threads 2] [--steps 200] [--compile]

A vision transformer on 8x8 images (patches of 2x2, width 64, 4 blocks, 4 heads, MLP 128, 10
classes), every parameter frozen, DoRA of rank 8 on 25 linear layers (all but the patch
embedding), as Hugging Face PEFT computes it (norm of W + s B A, detached), batch 32, cross-entropy,
AdamW. Weights and images are random: only the time matters. Prints seconds a step.
"""

import argparse
import statistics
import sys

import torch
import torch.nn.functional as F
from torch import nn

from peerlib import classifier_steps

BATCH, SIDE, PATCH, WIDTH, BLOCKS, HEADS, MLP, CLASSES = 32, 8, 2, 64, 4, 4, 128, 10
RANK, ALPHA = 8, 16.0
TOKENS = (SIDE // PATCH) ** 2 + 1


class Dora(nn.Module):
    def __init__(self, d_in, d_out, rank=RANK):
        super().__init__()
        self.s = ALPHA / rank
        base = nn.Linear(d_in, d_out)
        self.weight = nn.Parameter(base.weight.detach(), requires_grad=False)
        self.bias = nn.Parameter(base.bias.detach(), requires_grad=False)
        self.m = nn.Parameter(self.weight.norm(dim=1))
        self.a = nn.Parameter(torch.empty(rank, d_in))
        nn.init.kaiming_uniform_(self.a, a=5**0.5)
        self.b = nn.Parameter(torch.zeros(d_out, rank))

    def forward(self, x):
        with torch.no_grad():
            norm = (self.weight + self.s * (self.b @ self.a)).norm(dim=1)
        g = self.m / norm
        base = F.linear(x, self.weight)
        low = F.linear(F.linear(x, self.a), self.b) * self.s
        return base + self.bias + (g - 1) * base + g * low


class Block(nn.Module):
    def __init__(self, rank=RANK):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key = Dora(WIDTH, WIDTH, rank), Dora(WIDTH, WIDTH, rank)
        self.value, self.out_proj = Dora(WIDTH, WIDTH, rank), Dora(WIDTH, WIDTH, rank)
        self.fc1, self.fc2 = Dora(WIDTH, MLP, rank), Dora(MLP, WIDTH, rank)

    def forward(self, x):
        n, t, d = x.shape

        def split(y):
            return y.reshape(n, t, HEADS, d // HEADS).transpose(1, 2)

        h = self.norm1(x)
        y = F.scaled_dot_product_attention(
            split(self.query(h)), split(self.key(h)), split(self.value(h))
        )
        x = x + self.out_proj(y.transpose(1, 2).reshape(n, t, d))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Vit(nn.Module):
    def __init__(self, blocks=BLOCKS, rank=RANK):
        super().__init__()
        self.patch_embed = nn.Linear(PATCH * PATCH, WIDTH)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, WIDTH))
        self.positions = nn.Parameter(0.02 * torch.randn(1, TOKENS, WIDTH))
        self.blocks = nn.ModuleList(Block(rank) for _ in range(blocks))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = Dora(WIDTH, CLASSES, rank)
        adapters = {id(p) for m in self.modules() if isinstance(m, Dora) for p in (m.m, m.a, m.b)}
        for p in self.parameters():
            p.requires_grad_(id(p) in adapters)

    def forward(self, images):
        patches = F.unfold(images.unsqueeze(1), kernel_size=PATCH, stride=PATCH).transpose(1, 2)
        x = self.patch_embed(patches)
        x = torch.cat([self.class_token.expand(len(x), 1, WIDTH), x], dim=1) + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--fused", action="store_true", help="the fused AdamW")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)

    model = Vit()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=6e-3, fused=args.fused or None)
    images = torch.rand(BATCH, SIDE, SIDE)
    labels = torch.arange(BATCH) % CLASSES
    run = torch.compile(model) if args.compile else model

    seconds = classifier_steps(run, optimizer, images, labels, 20, args.steps)
    print(
        f"torch {torch.__version__}, python {sys.version.split()[0]}, {args.threads} threads, "
        f"fused {args.fused}, compile {args.compile}, {sum(p.numel() for p in trained)} trained: "
        f"median {1e3 * statistics.median(seconds):.2f} ms, "
        f"fastest {1e3 * min(seconds):.2f} ms, of {args.steps} steps"
    )


if __name__ == "__main__":
    main()
