#!/usr/bin/env python3
"""A run of CLIP-HBA in PyTorch, with the files that the researchers' code writes.

    python3 clip_hba.py    # writes clip_hba/ beside it

A small CLIP with random weights (transformers' CLIPModel), adapters of the researchers' form on
two output projections, ten drawn images, eight of them to train on. Two runs of three epochs of two
steps: AdamW over every parameter (as the original hands them over, frozen ones, too) in `adamw/`,
SGD with momentum in `sgd/`. The images come in the split's order, so that another program can go on
and must end where PyTorch ends. Written with torch 2.15, transformers 4.57.
"""

import csv
import os
import pathlib
import random
import shutil

os.environ["ATEN_CPU_CAPABILITY"] = "default"

import numpy
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

torch.set_num_threads(1)
HERE = pathlib.Path(__file__).resolve().parent
MERGES = HERE / "../../crates/models/tests/golden/clip_merges.txt"
FOLDER = HERE / "clip_hba"

SIDE, PATCH, CONTEXT, EMBED = 28, 14, 48, 12
SIZES = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
RANK, ALPHA, BATCH, EPOCHS = 4, 16.0, 4, 3
MEAN, STD = [0.52997664, 0.48070561, 0.41943838], [0.27608301, 0.26593025, 0.28238822]
TRAIN, TEST = [7, 0, 9, 2, 3, 8, 1, 6], [5, 4]
PROMPTS = [f"thing-related; number {number}" for number in range(66)]


class DoRALayer(nn.Module):
    """As the original's: D = W^T/|W| + (alpha/r) delta_D_B delta_D_A, by columns."""

    def __init__(self, base):
        super().__init__()
        weight = base.weight.detach().T
        norm = weight.norm(dim=0)
        self.m = nn.Parameter(norm.clone())
        self.register_buffer("D", weight / norm)
        self.delta_D_A = nn.Parameter(torch.empty(RANK, weight.shape[1]))
        self.delta_D_B = nn.Parameter(torch.empty(weight.shape[0], RANK))
        for factor in (self.delta_D_A, self.delta_D_B):
            nn.init.kaiming_uniform_(factor, a=5**0.5)
        self.bias = nn.Parameter(base.bias.detach().clone(), requires_grad=False)

    def forward(self, x):
        v = self.D + self.delta_D_B @ self.delta_D_A * (ALPHA / RANK)
        weight = v / (v.norm(dim=0, keepdim=True) + 1e-8) * self.m
        return nn.functional.linear(x, weight.T, self.bias)


def tokenizer():
    """transformers' own, with the vocabulary that CLIP's code makes of the merges."""
    import json
    import tempfile

    from transformers.models.clip.tokenization_clip import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    merges = MERGES.read_text().splitlines()[1:]
    words = letters + [letter + "</w>" for letter in letters]
    words += ["".join(merge.split()) for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "vocab.json").write_text(json.dumps({word: id for id, word in enumerate(words)}))
    shutil.copy(MERGES, folder / "merges.txt")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")), len(words)


def tokens():
    found, vocabulary = tokenizer()
    rows = torch.zeros(len(PROMPTS), CONTEXT, dtype=torch.long)
    for row, prompt in enumerate(PROMPTS):
        ids = found(prompt)["input_ids"]
        rows[row, : len(ids)] = torch.tensor(ids)
    return rows, vocabulary


def clip(vocabulary):
    """CLIP with random weights, the same every time."""
    torch.manual_seed(11)
    config = CLIPConfig(
        projection_dim=EMBED,
        vision_config=dict(image_size=SIDE, patch_size=PATCH, **SIZES),
        text_config=dict(
            max_position_embeddings=CONTEXT, vocab_size=vocabulary, bos_token_id=vocabulary - 2,
            eos_token_id=vocabulary - 1, **SIZES,
        ),
        attn_implementation="eager",
    )
    model = CLIPModel(config).eval().requires_grad_(False)
    for name, value in model.named_parameters():
        if name.endswith("weight") and "norm" not in name:
            value.mul_(8.0)
    model.logit_scale.fill_(1.5)
    return model


def draw():
    """Images and their targets: blocks of colour, which compress well."""
    drawn = random.Random(3)
    (FOLDER / "images").mkdir(parents=True)
    rows = []
    for image in range(len(TRAIN) + len(TEST)):
        blocks = numpy.array([[drawn.randrange(256) for _ in range(3)] for _ in range(16)], dtype=numpy.uint8)
        pixels = blocks.reshape(4, 4, 3).repeat(7, axis=0).repeat(7, axis=1)
        Image.fromarray(pixels).save(FOLDER / f"images/thing{image:02}.png")
        rows.append([image, f"thing{image:02}.png", *(drawn.randrange(64) / 8 for _ in PROMPTS)])
    with open(FOLDER / "targets.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "image_name", *range(len(PROMPTS))])
        writer.writerows(rows)


def load():
    with open(FOLDER / "targets.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    pixels = [numpy.asarray(Image.open(FOLDER / "images" / row[1])) for row in rows]
    images = torch.from_numpy(numpy.stack(pixels)).permute(0, 3, 1, 2).float() / 255
    images = (images - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    return images, torch.tensor([[float(value) for value in row[2:]] for row in rows])


def unit(found):
    return found / found.norm(dim=-1, keepdim=True)


def train(name, make_optimizer, prompts, vocabulary):
    folder = FOLDER / name
    (folder / "dora_params").mkdir(parents=True)
    (folder / "random_states").mkdir()
    model = clip(vocabulary)
    for seed in (torch.manual_seed, numpy.random.seed, random.seed):
        seed(5)
    layers = {
        "clip_model.visual.transformer.resblocks.1.attn.out_proj": model.vision_model.encoder.layers[1],
        "clip_model.transformer.resblocks.1.attn.out_proj": model.text_model.encoder.layers[1],
    }
    for path, block in layers.items():
        block.self_attn.out_proj = layers[path] = DoRALayer(block.self_attn.out_proj)
    # OpenAI's code has its parameters in this order: the model's own, the vision tower, the text.
    own = [model.logit_scale]
    towers = [*model.vision_model.parameters(), *model.text_model.parameters()]
    optimizer = make_optimizer(own + towers)
    images, targets = load()
    generator = torch.Generator().manual_seed(5)

    def predict(indices):
        seen = model.get_image_features(images[indices])
        read = model.get_text_features(prompts)
        return model.logit_scale.exp() * unit(seen) @ unit(read).T

    split = {"train_indices": TRAIN, "test_indices": TEST, "random_seed": 5, "train_portion": 0.8}
    torch.save(split, folder / "random_states/dataset_split_indices.pth")
    history = []
    for epoch in range(EPOCHS):
        total = 0.0
        for start in range(0, len(TRAIN), BATCH):
            batch = TRAIN[start : start + BATCH]
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(predict(batch), targets[batch])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        with torch.no_grad():
            tested = nn.functional.mse_loss(predict(TEST), targets[TEST]).item()
        history.append([epoch, total / len(TRAIN), tested])
        torch.save(
            {
                "epoch": epoch,
                "optimizer_state_dict": optimizer.state_dict(),
                "torch_rng_state": torch.get_rng_state(),
                "numpy_rng_state": numpy.random.get_state(),
                "python_rng_state": random.getstate(),
                "dataloader_generator_state": generator.get_state(),
            },
            folder / f"random_states/epoch{epoch}_random_states.pth",
        )
        params = {
            f"{path}.{part}": getattr(layer, part).detach()
            for path, layer in layers.items()
            for part in ("m", "delta_D_A", "delta_D_B")
        }
        torch.save(params, folder / f"dora_params/epoch{epoch}_dora_params.pth")
    with open(folder / "training_res.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "train_loss", "test_loss"])
        writer.writerows(history)


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    draw()
    (FOLDER / "prompts.txt").write_text("\n".join(PROMPTS) + "\n")
    prompts, vocabulary = tokens()
    state = clip(vocabulary).state_dict()
    state = {n: v.contiguous() for n, v in state.items() if not n.endswith("position_ids")}
    save_file(state, FOLDER / "clip.safetensors")
    train("adamw", lambda params: torch.optim.AdamW(params, lr=1e-2), prompts, vocabulary)
    train("sgd", lambda params: torch.optim.SGD(params, lr=1e-3, momentum=0.9), prompts, vocabulary)


if __name__ == "__main__":
    main()
