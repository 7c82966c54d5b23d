#!/usr/bin/env python3
"""Golden values of `Vit`: the same architecture in PyTorch float64.

    python3 vit.py            # writes vit.json beside this file

Weights and images come from formula.py. Linear weights are stored as Burn
stores them, [in, out]. Values are written with repr, which is exact.
"""

import json
import math
import pathlib
import sys

import torch
import torch.nn.functional as F

import formula

torch.set_num_threads(1)

CASES = {
    # The default configuration.
    "default": dict(
        image_size=8, patch_size=2, d_model=64, blocks=4, heads=4, d_mlp=128, classes=10, batch=3
    ),
    # No two sizes equal, so that no exchanged axis goes unseen.
    "odd": dict(
        image_size=6, patch_size=3, d_model=20, blocks=2, heads=5, d_mlp=14, classes=7, batch=2
    ),
}


class Weights:
    def __init__(self):
        self.by_path = {}

    def get(self, path, *shape, around=0.0):
        if path not in self.by_path:
            value = formula.tensor(path, *shape, around=around)
            self.by_path[path] = value.requires_grad_()
        return self.by_path[path]

    def linear(self, path, x, d_out):
        weight = self.get(f"{path}.weight", x.shape[-1], d_out)
        return F.linear(x, weight.T, self.get(f"{path}.bias", d_out))

    def norm(self, path, x):
        d = x.shape[-1]
        gamma = self.get(f"{path}.gamma", d, around=1.0)
        return F.layer_norm(x, (d,), gamma, self.get(f"{path}.beta", d), eps=1e-5)


def attention(w, path, x, heads):
    n, t, d = x.shape

    def split(name):
        return w.linear(f"{path}.{name}", x, d).reshape(n, t, heads, d // heads).transpose(1, 2)

    y = F.scaled_dot_product_attention(split("query"), split("key"), split("value"))
    return w.linear(f"{path}.out_proj", y.transpose(1, 2).reshape(n, t, d), d)


def vit(w, images, c):
    p, d = c["patch_size"], c["d_model"]
    n = images.shape[0]
    # F.unfold lists each patch row by row, patches row by row.
    patches = F.unfold(images.unsqueeze(1), kernel_size=p, stride=p).transpose(1, 2)
    x = w.linear("patch_embed", patches, d)
    x = torch.cat([w.get("class_token", 1, 1, d).expand(n, 1, d), x], dim=1)
    x = x + w.get("positions", 1, x.shape[1], d)
    for i in range(c["blocks"]):
        b = f"blocks.{i}"
        x = x + attention(w, f"{b}.attn", w.norm(f"{b}.norm1", x), c["heads"])
        h = F.gelu(w.linear(f"{b}.mlp.fc1", w.norm(f"{b}.norm2", x), c["d_mlp"]))
        x = x + w.linear(f"{b}.mlp.fc2", h, d)
    return w.linear("head", w.norm("norm", x)[:, 0], c["classes"])


def main():
    out = {
        "generator": "tests/golden/vit.py",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "cases": {},
    }
    for name, c in CASES.items():
        w = Weights()
        images = formula.images(f"{name}.images", c["batch"], c["image_size"])
        targets = [v % c["classes"] for v in formula.raw(f"{name}.targets", c["batch"])]
        logits = vit(w, images, c)
        loss = F.cross_entropy(logits, torch.tensor(targets))
        loss.backward()
        assert math.isfinite(loss.item())
        out["cases"][name] = {
            **c,
            "targets": targets,
            "logits": logits.detach().tolist(),
            "loss": loss.item(),
            "gradients": {
                path: formula.summary(path, value.grad) for path, value in sorted(w.by_path.items())
            },
        }
    target = pathlib.Path(__file__).resolve().with_suffix(".json")
    target.write_text(json.dumps(out, indent=1) + "\n")
    print(target.name, target.stat().st_size, "bytes, torch", torch.__version__)


if __name__ == "__main__":
    main()
