#!/usr/bin/env python3
"""One training step of CLIP-HBA (ViT-L/14), in dacapo and in PyTorch.

    python3 clip_hba_step.py [--program DACAPO] [--json FILE] [--quick --device cpu]

CLIP predicts 66 values of an image: exp(logit_scale) times the cosine with 66 prompts; mean squared
error against targets; adapters of the flavour `clip-hba`, rank 32, on the output projections of the
last two vision blocks and of the last text block; everything else frozen; batch 64; AdamW. Weights,
tokens, images and targets are random: only time and memory matter.

    original   the researchers' way: each prompt goes through the text tower by itself, as often as
               there are prompts, in every step; the adapter merged in every pass
    batched    all prompts in one pass
    cached     what comes before the first adapter is kept (on the device, for every image), the last
               block follows only the token that is read, AdamW is the fused one; also compiled
    cached-reordered   the same with the last block's attention in the order in which dacapo computes
               it: no keys and values are formed where one token asks; also compiled
    dacapo     `dacapo train` (with --program): the whole program, which keeps the same
    uncached   the same with --no-prefix-cache
    inexact    (with --inexact) dacapo's task and trainer with the same rows kept, on Burn's own kernels
               with autotune and fusion; products in f32 as Burn chooses, no file written

In PyTorch a step's loss is read after the next step was queued, so that the device need not wait; the
program reads it at the end of the step. With --epochs N, whole epochs are timed in place of steps:
1,445 images in batches of 64, then 361 without gradients; in the program also a checkpoint, and images
from memory, in PyTorch the same 64 images on the device all the time.

`f32` is IEEE, `tf32` f32 in TF32, `bf16` products in bf16 (autocast in PyTorch). Memory is what
`nvidia-smi` shows at most, less what it showed before, looked at every 0.1 s.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time

import torch
import torch.nn.functional as F
from torch import nn

from peerlib import (
    Report, between, common_arguments, device_of, matmul_precision, told_steps,
)


KINDS = (
    "dacapo,uncached,original,batched,cached,cached-reordered,cached-compiled,cached-reordered-compiled"
)


class Size:
    image, patch, embed, prompts, images = 224, 14, 768, 66, 1806
    vision = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)
    text = dict(hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072)
    vocabulary, context = 49408, 77
    rank, alpha, batch = 32, 16.0, 64


class Quick(Size):
    image, patch, embed, images = 28, 14, 16, 40
    vision = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    text = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    vocabulary, context = 594, 48
    rank, batch = 4, 4


class Memory:
    """The most memory that the GPU had in use, in GiB, less what it had before."""

    def __init__(self, device):
        self.cuda = device.type == "cuda"
        self.before = self.most = self._used()
        self.going = True
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        self.thread.join()

    def gib(self):
        return (self.most - self.before) / 1024

    def _used(self):
        if not self.cuda:
            return 0
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0"]
        return int(subprocess.check_output(query, text=True).split()[0])

    def _watch(self):
        while self.going:
            self.most = max(self.most, self._used())
            time.sleep(0.1)


class Projection(nn.Module):
    """An output projection with its adapter: V = W / |W| + s B A, W' = m V / (|V| + 1e-8)."""

    def __init__(self, base, size):
        super().__init__()
        self.bias = base.bias
        w = base.weight.detach().T
        norm = w.norm(dim=0)
        self.m = nn.Parameter(norm.clone())
        self.register_buffer("direction", w / norm)
        self.down = nn.Parameter(torch.empty(w.shape[0], size.rank, device=w.device))
        self.up = nn.Parameter(torch.empty(size.rank, w.shape[1], device=w.device))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)
        nn.init.kaiming_uniform_(self.up, a=5**0.5)
        self.s = size.alpha / size.rank

    def forward(self, x):
        v = self.direction + self.s * (self.down @ self.up)
        return F.linear(x, (v / (v.norm(dim=0, keepdim=True) + 1e-8) * self.m).T, self.bias)


def build(size, device):
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    torch.manual_seed(0)
    text = CLIPTextConfig(
        **size.text, vocab_size=size.vocabulary, max_position_embeddings=size.context,
        bos_token_id=size.vocabulary - 2, eos_token_id=size.vocabulary - 1, projection_dim=size.embed,
    )
    vision = CLIPVisionConfig(
        **size.vision, image_size=size.image, patch_size=size.patch, projection_dim=size.embed
    )
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=size.embed
    )
    with torch.device(device):
        model = CLIPModel(config).eval()
    model.requires_grad_(False)
    for block in [*model.vision_model.encoder.layers[-2:], model.text_model.encoder.layers[-1]]:
        block.self_attn.out_proj = Projection(block.self_attn.out_proj, size)
        block.self_attn.out_proj.bias.requires_grad_(False)
    return model


def tokens(size, device):
    """Prompts of 2 to 8 tokens between their ends."""
    rows = torch.zeros(size.prompts, size.context, dtype=torch.long, device=device)
    for row in range(size.prompts):
        length = 2 + row % 7
        rows[row, 0] = size.vocabulary - 2
        rows[row, 1 : 1 + length] = torch.arange(length) + row
        rows[row, 1 + length] = size.vocabulary - 1
    return rows


def features(model, which, **inputs):
    """Projected features; the same in transformers 4, which has a method, and 5, whose method gives
    more than that."""
    if which == "text":
        return model.text_projection(model.text_model(**inputs).pooler_output)
    return model.visual_projection(model.vision_model(**inputs).pooler_output)


class Suffix(nn.Module):
    """What comes after the first adapter, of rows that are kept of every image and of the prompts."""

    def __init__(self, size, device, reordered):
        super().__init__()
        self.reordered = reordered
        self.model = build(size, device)
        self.vision = self.model.vision_model.encoder.layers[-2:]
        self.text = self.model.text_model.encoder.layers[-1]
        rows = lambda n, tokens, width: torch.randn(n, tokens, width, device=device)
        width, tokens = size.vision["hidden_size"], 1 + (size.image // size.patch) ** 2
        images = min(size.images, 1024)
        self.register_buffer("stream", rows(images, tokens, width))
        self.register_buffer("joined", rows(images, tokens, width))
        width = size.text["hidden_size"]
        self.register_buffer("text_stream", rows(size.prompts, 1, width))
        self.register_buffer("text_joined", rows(size.prompts, 1, width))

    @staticmethod
    def project(block, stream, joined):
        x = stream + block.self_attn.out_proj(joined)
        return x + block.mlp(block.layer_norm2(x))

    def read_first(self, block, x):
        """The stream and the heads of the first token."""
        attention = block.self_attn
        if self.reordered:
            return x[:, :1], self.reordered_heads(attention, block.layer_norm1(x))
        heads = lambda y: y.unflatten(2, (attention.num_heads, -1)).transpose(1, 2)
        h = block.layer_norm1(x)
        query, key = heads(attention.q_proj(h[:, :1])), heads(attention.k_proj(h))
        joined = F.scaled_dot_product_attention(query, key, heads(attention.v_proj(h)))
        return x[:, :1], joined.transpose(1, 2).flatten(2)

    @staticmethod
    def reordered_heads(attention, h):
        """Keys and values of no token are formed: q (h K)^T = (q K^T) h^T, and p (h V) = (p h) V. The
        key's bias adds the same to all scores, which the softmax does not see."""
        heads, width = attention.num_heads, h.shape[-1]
        query = attention.q_proj(h[:, 0]).unflatten(1, (heads, -1))
        key = attention.k_proj.weight.unflatten(0, (heads, -1))
        value = attention.v_proj.weight.unflatten(0, (heads, -1))
        asking = torch.einsum("nhe,hed->nhd", query, key)
        scores = asking @ h.transpose(1, 2)
        mixed = torch.softmax(scores * (width // heads) ** -0.5, dim=-1).to(h.dtype) @ h
        joined = torch.einsum("nhd,hed->nhe", mixed, value.to(mixed.dtype)).flatten(1)
        return (joined + attention.v_proj.bias)[:, None]

    def forward(self, examples):
        model, (late, last) = self.model, self.vision
        x = self.project(late, self.stream[examples], self.joined[examples])
        x = self.project(last, *self.read_first(last, x))
        seen = model.visual_projection(model.vision_model.post_layernorm(x[:, 0]))
        x = self.project(self.text, self.text_stream, self.text_joined)
        texts = model.text_projection(model.text_model.final_layer_norm(x[:, 0]))
        seen = seen / seen.norm(dim=-1, keepdim=True)
        texts = texts / texts.norm(dim=-1, keepdim=True)
        return model.logit_scale.exp() * seen @ texts.T


class Peer:
    """One of the PyTorch kinds, ready to train. The rows that a cache keeps are random."""

    def __init__(self, size, kind, precision, device):
        self.size, self.kind, self.precision, self.device = size, kind, precision, device
        cuda, cached = device.type == "cuda", kind.startswith("cached")
        self.model = Suffix(size, device, "reordered" in kind) if cached else build(size, device)
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=3e-4, fused=cached and cuda)
        self.targets = 10 * torch.rand(size.batch, size.prompts, device=device)
        if cached:
            self.suffix = torch.compile(self.model) if kind.endswith("compiled") else self.model
        else:
            self.prompts = tokens(size, device)
            self.images = torch.randn(size.batch, 3, size.image, size.image, device=device)

    def forward(self, images):
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.logits(images)

    def logits(self, images):
        """Of the first so many images; with a cache, of any."""
        model = self.model
        if self.kind.startswith("cached"):
            return self.suffix(torch.randperm(len(model.stream))[:images].to(self.device))
        if self.kind == "original":
            texts = torch.cat([features(model, "text", input_ids=row[None]) for row in self.prompts])
        else:
            texts = features(model, "text", input_ids=self.prompts)
        seen = features(model, "vision", pixel_values=self.images[:images])
        seen = seen / seen.norm(dim=-1, keepdim=True)
        texts = texts / texts.norm(dim=-1, keepdim=True)
        return model.logit_scale.exp() * seen @ texts.T

    def step(self, images):
        """The loss, still on the device."""
        loss = F.mse_loss(self.forward(images).float(), self.targets[:images])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def steps(self, count):
        """Seconds of each step, by when its loss can be read, and the last loss."""
        at, before, value = [time.perf_counter()], None, None
        for _ in range(count):
            loss = self.step(self.size.batch)
            if before is not None:
                value = before.item()
                at.append(time.perf_counter())
            before = loss
        value = before.item()
        return between(at), value

    def epochs(self, count):
        """Seconds of each epoch: every training image once, every other one validated."""
        batch, train = self.size.batch, round(0.8 * self.size.images)
        parts = lambda images: [min(batch, images - at) for at in range(0, images, batch)]
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            losses = [self.step(images) for images in parts(train)]
            with torch.no_grad():
                errors = [
                    F.mse_loss(self.forward(images).float(), self.targets[:images])
                    for images in parts(self.size.images - train)
                ]
            torch.stack(losses + errors).tolist()
            seconds.append(time.perf_counter() - start)
        return seconds


def merges(size):
    """As many merges as the vocabulary needs, each of two letters."""
    letters = [chr(c) for c in [*range(33, 127), *range(161, 173), *range(174, 256)]]
    letters += [chr(256 + n) for n in range(256 - len(letters))]
    pairs = (f"{a} {b}{end}" for a in letters for b in letters for end in ("", "</w>"))
    return ["#version: none"] + [next(pairs) for _ in range(size.vocabulary - 514)]


CONFIG = """
[run]
precision = "{precision}"
[model]
kind = "clip"
base = "random"
[data]
name = "things"
[clip]
weights = "random"
merges = "merges.txt"
prompts = "prompts.txt"
images = "images"
targets = "targets.csv"
[clip.sizes]
image_size = {size.image}
patch_size = {size.patch}
vision = {vision}
text = {text}
vocabulary = {size.vocabulary}
context = {size.context}
d_embed = {size.embed}
[adapt]
flavour = "clip-hba"
rank = {size.rank}
alpha = {size.alpha}
targets = [{targets}]
[optimizer]
lr = 3e-4
[scheduler]
kind = "constant"
[train]
epochs = {epochs}
batch_size = {size.batch}
"""


def write_inputs(size, program, folder):
    """Everything that the program reads, in `folder`."""
    drawn = random.Random(0)
    with open(f"{folder}/targets.csv", "w", encoding="utf-8") as file:
        print(",image_name," + ",".join(map(str, range(size.prompts))), file=file)
        for image in range(size.images):
            values = ",".join(f"{10 * drawn.random():.3f}" for _ in range(size.prompts))
            print(f"{image},image{image:04}.png,{values}", file=file)
    with open(f"{folder}/prompts.txt", "w", encoding="utf-8") as file:
        for prompt in range(size.prompts):
            print("a thing" + "s" * (prompt % 7), file=file)
    with open(f"{folder}/merges.txt", "w", encoding="utf-8") as file:
        print("\n".join(merges(size)), file=file)
    draw = [program, "stand-ins", "targets.csv", "--out", "images"]
    subprocess.run(draw, cwd=folder, check=True, capture_output=True)


def toml_sizes(tower):
    return "{{ d_model = {hidden_size}, blocks = {num_hidden_layers}, heads = {num_attention_heads}, d_mlp = {intermediate_size} }}".format(**tower)


def program(size, precision, device, args, folder, more=(), inexact=False):
    """A run of the program, or of the inexact one: seconds of each step but the first, by the times at
    which it tells of them, until the first, the last line, and seconds of each epoch but the first."""
    vision, text = size.vision["num_hidden_layers"], size.text["num_hidden_layers"]
    blocks = [f"visual.blocks.{vision - 2}", f"visual.blocks.{vision - 1}", f"text.blocks.{text - 1}"]
    targets = ", ".join(f'"{block}.attn.out_proj"' for block in blocks)
    config, run = f"{folder}/{precision}.toml", precision + "".join(more)
    with open(config, "w", encoding="utf-8") as file:
        file.write(CONFIG.format(
            size=size, precision=precision, targets=targets, epochs=args.epochs + 1,
            vision=toml_sizes(size.vision), text=toml_sizes(size.text),
        ))
    start = time.perf_counter()
    if inexact:
        kept = ["--cache", os.path.abspath(args.cache)] if args.cache else []
        at, step = told_steps([args.inexact, config, "--steps", str(args.steps), *kept], folder)
        return between(at), at[0] - start, step, []
    call = [
        args.program, "-vv", "train", config, "--out", run, "--json", *more,
        "--device", "cuda:0" if device.type == "cuda" else "cpu",
    ]
    if not args.epochs:
        call += ["--stop-after-step", str(args.steps)]
    at, step = told_steps(call, folder)
    with open(f"{folder}/{run}/events.jsonl", encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    ends = [event["unix_ms"] / 1e3 for event in events if event["event"] == "epoch"]
    return between(at), at[0] - start, step, between(ends)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common_arguments(parser, budget=240)
    parser.add_argument("--program", help="the program dacapo; without it, PyTorch alone")
    parser.add_argument("--inexact", help="the program of benches/inexact")
    parser.add_argument("--cache", metavar="FOLDER", help="where that keeps compiled and tuned kernels")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--timed", type=int, default=10, help="of these, how many last ones count")
    parser.add_argument(
        "--epochs", type=int, default=0, metavar="N", help="time N epochs, after one that does not count"
    )
    parser.add_argument("--precisions", default="f32,tf32,bf16")
    parser.add_argument("--kinds", default=KINDS)
    args = parser.parse_args()
    device = device_of(args.device)
    size = Quick if args.quick else Size
    report = Report("clip_hba_step", device, args.json, args.budget, args)
    for name in ("program", "inexact"):
        path = getattr(args, name)
        setattr(args, name, path and os.path.abspath(path))

    def row(kind, precision, seconds, memory, **more):
        if args.epochs:
            report.row(
                who=kind, precision=precision, batch=size.batch, epochs=len(seconds),
                epoch_s=statistics.median(seconds), fastest_s=min(seconds), memory_gib=memory.gib(),
                **more,
            )
            return
        timed = seconds[-args.timed :]
        report.row(
            who=kind, precision=precision, batch=size.batch, steps=len(timed),
            median_ms=1e3 * statistics.median(timed), fastest_ms=1e3 * min(timed),
            memory_gib=memory.gib(), **more,
        )

    def ours(who, precision, folder):
        more = ["--no-prefix-cache"] if who == "uncached" else []
        inexact = who == "inexact"
        with Memory(device) as memory:
            steps, first, told, epochs = program(size, precision, device, args, folder, more, inexact)
        seconds = epochs if args.epochs else steps
        row(who, precision, seconds, memory, until_first_step_s=first, told=told)

    def theirs(kind, precision):
        loss = None
        with matmul_precision(precision), Memory(device) as memory:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            peer = Peer(size, kind, precision, device)
            if args.epochs:
                seconds = peer.epochs(args.epochs + 1)[1:]
            else:
                seconds, loss = peer.steps(args.steps + 1)
            peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0
        numbers = sum(p.numel() for p in peer.trained)
        row(f"pytorch {kind}", precision, seconds, memory, allocated_gib=peak, loss=loss, numbers=numbers)

    kinds, precisions = args.kinds.split(","), args.precisions.split(",")
    with tempfile.TemporaryDirectory() as folder:
        own = [kind for kind in ("dacapo", "uncached") if kind in kinds]
        own += ["inexact"] * bool(args.inexact)
        if args.program and own:
            write_inputs(size, args.program, folder)
            # Before PyTorch has memory of its own on the card.
            for who in own:
                for precision in ["f32"] if who == "inexact" else precisions:
                    report.attempt(f"{who} {precision}", lambda: ours(who, precision, folder))
        theirs_all = (
            "cached", "cached-reordered", "cached-compiled", "cached-reordered-compiled", "batched",
            "original",
        )
        for precision in precisions:
            for kind in [kind for kind in theirs_all if kind in kinds]:
                report.attempt(f"{kind} {precision}", lambda: theirs(kind, precision))
    print(json.dumps(report.data["machine"]))


if __name__ == "__main__":
    main()
