#!/usr/bin/env python3
"""Does a GPU compute what the host does? No speed: the loss and the gradient's norm of the first steps.

    python3 same_numbers.py --program DACAPO [--device cuda:0] [--json FILE]

That a run repeats to the bit does not say that it is right. Here the program trains each case for three
steps on the device, in each precision, and on the CPU in f32, and compares what `-vv` tells of each
step. Exit code 1 if one differs by more than its precision explains.

Needs PyTorch only because `clip_hba_step.py`, which writes CLIP's inputs, does.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

from clip_hba_step import CONFIG, Size, toml_sizes, write_inputs

# How far apart they may be, relative.
BOUNDS = {"f32": 1e-4, "tf32": 1e-2, "bf16": 5e-2}
STEPS = 3


class Clip(Size):
    """Small towers, but features as ViT-L/14 has them, whose cosines with 66 prompts are a product of
    their own kind: split along k, with rows that fill no whole vectors."""

    image, patch, embed, images = 56, 14, 768, 80
    vision = dict(hidden_size=128, num_hidden_layers=3, num_attention_heads=2, intermediate_size=256)
    text = dict(hidden_size=96, num_hidden_layers=2, num_attention_heads=3, intermediate_size=192)
    vocabulary, context = 594, 48
    rank, batch = 4, 32


def cases(program, folder):
    """Name, and the arguments of `dacapo train`."""
    write_inputs(Clip, program, folder)
    vision, text = Clip.vision["num_hidden_layers"], Clip.text["num_hidden_layers"]
    blocks = [f"visual.blocks.{vision - 2}", f"visual.blocks.{vision - 1}", f"text.blocks.{text - 1}"]
    config = CONFIG.format(
        size=Clip, precision="f32", targets=", ".join(f'"{block}.attn.out_proj"' for block in blocks),
        epochs=2, vision=toml_sizes(Clip.vision), text=toml_sizes(Clip.text),
    )
    with open(f"{folder}/clip.toml", "w", encoding="utf-8") as file:
        file.write(config)
    random = ["--set", "model.base=random", "--set", "early_stopping.enabled=false"]
    wide = [f"--set=model.vit.{setting}" for setting in ("blocks=4", "d_model=256", "d_mlp=2048")]
    return {
        "default": [],
        "dropout": ["--set", "adapt.dropout=0.1", "--set", "model.vit.dropout=0.1"],
        "clip-hba flavour": ["--set", "adapt.flavour=clip-hba"],
        "wide transformer": [*random, *wide],
        "every parameter": [*random, "--set", "adapt.mode=full"],
        "conv-net": [*random, "--set", "model.kind=conv-net", "--set", "adapt.mode=full"],
        "clip": ["clip.toml"],
    }


def steps(program, folder, arguments, device, precision):
    """Loss and gradient's norm of each step."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        command = [
            program, "-vv", "train", *arguments, "--out", f"{out}/run", "--device", device, "--set",
            f"run.precision={precision}", "--stop-after-step", str(STEPS),
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-300:].replace("\n", " "))
    told = re.findall(r" loss=(\S+) grad_norm=(\S+)", done.stderr)
    if len(told) != STEPS:
        raise RuntimeError(f"{len(told)} steps told of, not {STEPS}")
    return [float(value) for step in told for value in step]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--json", metavar="FILE")
    args = parser.parse_args()
    program = os.path.abspath(args.program)
    precisions = ["f32"] if args.device == "cpu" else list(BOUNDS)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in cases(program, folder).items():
            host = steps(program, folder, arguments, "cpu", "f32")
            for precision in precisions:
                row = {"case": name, "precision": precision, "bound": BOUNDS[precision]}
                try:
                    found = steps(program, folder, arguments, args.device, precision)
                    # NaN is the largest of all.
                    apart = [abs(a - b) / abs(b) for a, b in zip(found, host)]
                    row["apart"] = max(apart, key=lambda x: (x != x, x))
                    row["same"] = row["apart"] <= row["bound"]
                except RuntimeError as error:
                    row |= {"same": False, "error": str(error)}
                rows.append(row)
                what = f"{row['apart']:.1e}" if "apart" in row else row["error"]
                told = "same" if row["same"] else "DIFFERS"
                print(f"{name:20} {precision:5} {told:8} {what}", flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"part": "numbers", "device": args.device, "rows": rows}, file, indent=1)
    sys.exit(any(not row["same"] for row in rows))


if __name__ == "__main__":
    main()
