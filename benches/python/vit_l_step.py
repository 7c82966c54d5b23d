#!/usr/bin/env python3
"""One training step of ViT-L/14 with DoRA on every linear layer of every block, in PyTorch.

    python3 vit_l_step.py [--json FILE] [--compile blocks|whole] [--quick --device cpu]

The same network as dacapo's `Vit`: images [n, 224, 224] of one channel, patches of 14x14 through a
linear layer, a class token, learned positions, 24 pre-norm blocks (width 1024, 16 heads, MLP 4096,
exact GELU; query, key, value and output projections apart), a norm and a linear head on the class
token. Everything is frozen but the adapters of rank 16 on the six linear layers of each block: 432
tensors. Batch 64, cross-entropy, fused AdamW. Weights and images are random: only time and memory
matter.

    peft        as Hugging Face PEFT computes it: W x + (g-1) W x + g s B A x, where
                g = m / ||W + s B A|| with the norm detached
    peft lib    the same by PEFT itself, from nn.Linear layers
    merged      W' = g (W + s B A) once a step, then one product: W' x
    none        the network alone, backward to the first block's input: what adapters are added to

Precisions: `f32` (IEEE) and `tf32` are f32 throughout; `bf16` is autocast over f32 weights, `bf16 base`
autocast over linear weights stored in bf16.
"""

import argparse
import contextlib
import statistics
import time
import warnings

import torch
import torch.nn.functional as F
from torch import nn

from peerlib import Report, common_arguments, device_of, matmul_precision


class Size:
    side, patch, width, blocks, heads, mlp, classes = 224, 14, 1024, 24, 16, 4096, 1000
    rank, alpha, batch = 16, 32.0, 64


class Quick(Size):
    side, patch, width, blocks, heads, mlp, classes = 28, 14, 32, 2, 4, 64, 10
    rank, batch = 4, 4


class Dora(nn.Module):
    """A linear layer with its adapter; `kind` is `peft` or `merged`."""

    def __init__(self, size, d_in, d_out, kind):
        super().__init__()
        base = nn.Linear(d_in, d_out)
        self.kind, self.s = kind, size.alpha / size.rank
        self.weight = nn.Parameter(base.weight.detach(), requires_grad=False)
        self.bias = nn.Parameter(base.bias.detach(), requires_grad=False)
        self.m = nn.Parameter(self.weight.norm(dim=1))
        self.a = nn.Parameter(torch.empty(size.rank, d_in))
        nn.init.kaiming_uniform_(self.a, a=5**0.5)
        self.b = nn.Parameter(torch.zeros(d_out, size.rank))

    def forward(self, x):
        if self.kind == "merged":
            v = self.weight + self.s * (self.b @ self.a)
            g = self.m / v.detach().norm(dim=1)
            return F.linear(x, g[:, None] * v, self.bias)
        with torch.no_grad():
            norm = (self.weight + self.s * (self.b @ self.a)).norm(dim=1)
        g = self.m / norm
        base = F.linear(x, self.weight)
        low = F.linear(F.linear(x, self.a), self.b)
        # PEFT casts back, too: m, and with it the correction, is f32 under autocast.
        return (base + self.bias + ((g - 1) * base + g * low * self.s)).to(base.dtype)


def linear(size, d_in, d_out, kind):
    if kind in ("peft", "merged"):
        return Dora(size, d_in, d_out, kind)
    return nn.Linear(d_in, d_out)


class Block(nn.Module):
    def __init__(self, size, kind):
        super().__init__()
        d = size.width
        self.heads = size.heads
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.query, self.key = linear(size, d, d, kind), linear(size, d, d, kind)
        self.value, self.out_proj = linear(size, d, d, kind), linear(size, d, d, kind)
        self.fc1, self.fc2 = linear(size, d, size.mlp, kind), linear(size, size.mlp, d, kind)

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
    def __init__(self, size, kind):
        super().__init__()
        self.size = size
        tokens = (size.side // size.patch) ** 2 + 1
        self.patch_embed = nn.Linear(size.patch**2, size.width)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, size.width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, tokens, size.width))
        self.blocks = nn.ModuleList(Block(size, kind) for _ in range(size.blocks))
        self.norm = nn.LayerNorm(size.width)
        self.head = nn.Linear(size.width, size.classes)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.rsplit(".", 1)[-1] in ("m", "a", "b"))
        # Without adapters the backward pass must still run through every block.
        self.positions.requires_grad_(kind == "none")

    def forward(self, images):
        size, n = self.size, len(images)
        along = size.side // size.patch
        x = images.reshape(n, along, size.patch, along, size.patch).permute(0, 1, 3, 2, 4)
        x = self.patch_embed(x.reshape(n, along**2, size.patch**2))
        x = torch.cat([self.class_token.expand(n, 1, size.width).to(x.dtype), x], dim=1)
        x = x + self.positions
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


LINEARS = r"blocks\.\d+\.(query|key|value|out_proj|fc1|fc2)"


def build(size, kind, device, base_dtype):
    """The model, and the list of blocks to compile."""
    torch.manual_seed(0)
    with torch.device(device):
        model = Vit(size, kind)
        if kind == "peft lib":
            from peft import LoraConfig, get_peft_model

            config = LoraConfig(
                r=size.rank, lora_alpha=size.alpha, use_dora=True, target_modules=LINEARS
            )
            model = get_peft_model(model, config)
    model.train()
    blocks = (model.base_model.model if kind == "peft lib" else model).blocks
    if base_dtype is not None:
        for module in blocks.modules():
            if isinstance(module, (Dora, nn.Linear)):
                for parameter in module.parameters(recurse=False):
                    if not parameter.requires_grad:
                        parameter.data = parameter.data.to(base_dtype)
    return model, blocks


def run(size, kind, precision, compile_, device, args):
    """Seconds of each step, bytes in use and reserved at most, trained tensors and numbers, last
    loss."""
    cuda = device.type == "cuda"
    half = precision.startswith("bf16")
    base_dtype = torch.bfloat16 if precision == "bf16 base" else None
    model, blocks = build(size, kind, device, base_dtype)
    forward = model
    if compile_ == "blocks":
        # All blocks are alike: one compilation serves all of them.
        for block in blocks:
            block.compile(dynamic=False)
    elif compile_ == "whole":
        forward = torch.compile(model, dynamic=False)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    images = torch.rand(size.batch, size.side, size.side, device=device)
    labels = torch.arange(size.batch, device=device) % size.classes
    autocast = (
        torch.autocast(device.type, torch.bfloat16) if half else contextlib.nullcontext()
    )

    def synchronize():
        if cuda:
            torch.cuda.synchronize(device)

    seconds = []
    if cuda:
        torch.cuda.reset_peak_memory_stats(device)
    for _ in range(args.warm_up + args.steps):
        synchronize()
        start = time.perf_counter()
        with autocast:
            loss = F.cross_entropy(forward(images).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # Like dacapo's trainer, which looks at every loss.
        value = loss.item()
        synchronize()
        seconds.append(time.perf_counter() - start)
    peak = torch.cuda.max_memory_allocated(device) if cuda else 0
    reserved = torch.cuda.max_memory_reserved(device) if cuda else 0
    return seconds, peak, reserved, len(trained), sum(p.numel() for p in trained), value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common_arguments(parser, budget=170)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6, help="timed steps")
    parser.add_argument("--compile", default="blocks", choices=["blocks", "whole"])
    parser.add_argument("--kinds", default="peft,merged,peft lib,none")
    parser.add_argument("--precisions", default="tf32,bf16,f32,bf16 base")
    args = parser.parse_args()
    device = device_of(args.device)
    warnings.filterwarnings("ignore")
    size = Quick if args.quick else Size
    report = Report("vit_l_step_peers", device, args.json, args.budget, args)
    kinds, precisions = args.kinds.split(","), args.precisions.split(",")
    try:
        import peft

        report.data["machine"]["peft"] = peft.__version__
    except Exception as error:
        if "peft lib" in kinds:
            report.skip("peft lib", f"cannot be imported: {error}")
            kinds.remove("peft lib")

    def step(kind, precision, compile_):
        with matmul_precision(precision):
            seconds, peak, reserved, tensors, numbers, loss = run(
                size, kind, precision, compile_, device, args
            )
        timed = seconds[args.warm_up :]
        report.row(
            who=f"pytorch {kind}", precision=precision, compile=compile_ or "eager",
            batch=size.batch, tensors=tensors, numbers=numbers, steps=len(timed),
            median_ms=1e3 * statistics.median(timed), fastest_ms=1e3 * min(timed),
            warm_up_s=sum(seconds[: args.warm_up]), peak_gib=peak / 2**30,
            reserved_gib=reserved / 2**30, loss=loss,
        )

    modes = [None] if args.no_compile else [None, args.compile]
    if args.no_compile:
        report.skip("torch.compile", "--no-compile")
    # What matters most first, for a run that is out of time.
    main_precisions = [p for p in precisions if p != "bf16 base"]
    ordered = [
        (kind, precision, mode)
        for group in (("peft", "merged"), ("peft lib", "none"))
        for mode in modes
        for precision in main_precisions
        for kind in group
        # Compiling PEFT itself takes minutes, and the bare network is a mere yardstick.
        if mode is None or group[0] == "peft"
    ]
    if "bf16 base" in precisions:
        ordered += [(kind, "bf16 base", mode) for mode in modes for kind in ("peft", "merged")]
    for kind, precision, compile_ in ordered:
        if kind in kinds:
            torch._dynamo.reset()
            what = f"{kind} {precision} {compile_ or 'eager'}"
            report.attempt(what, lambda: step(kind, precision, compile_))
    report.write()


if __name__ == "__main__":
    main()
