#!/usr/bin/env python3
"""Golden values of `ConvNet`: the same architecture in PyTorch float64.

    python3 convnet.py        # writes convnet.json beside this file

Three batches in training mode, then one in evaluation mode. PyTorch updates
the running variance with the unbiased batch variance, Burn with the biased
one; both normalise with the biased one. So the running statistics are updated
here by hand, as Burn does it, and PyTorch's own are checked to differ by
exactly n/(n-1) in the variance's share and not at all in the mean.
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F

import formula

torch.set_num_threads(1)

CASES = {
    "default": dict(image_size=8, channels=[8, 16], classes=10, batch=5),
    "odd": dict(image_size=5, channels=[3, 4], classes=7, batch=3),
}
MOMENTUM, EPSILON = 0.1, 1e-5


class Net:
    def __init__(self, c):
        a, b = c["channels"]
        side = (c["image_size"] + 1) // 2
        flat = b * side * side
        shapes = {
            "conv1.weight": ((a, 1, 3, 3), 0.0),
            "conv1.bias": ((a,), 0.0),
            "norm1.gamma": ((a,), 1.0),
            "norm1.beta": ((a,), 0.0),
            "conv2.weight": ((b, a, 3, 3), 0.0),
            "conv2.bias": ((b,), 0.0),
            "norm2.gamma": ((b,), 1.0),
            "norm2.beta": ((b,), 0.0),
            "head.weight": ((flat, c["classes"]), 0.0),
            "head.bias": ((c["classes"],), 0.0),
        }
        self.w = {
            path: formula.tensor(path, *shape, around=around).requires_grad_()
            for path, (shape, around) in shapes.items()
        }
        self.buffers = {
            "norm1.running_mean": formula.tensor("norm1.running_mean", a),
            "norm1.running_var": formula.tensor("norm1.running_var", a, around=1.0),
            "norm2.running_mean": formula.tensor("norm2.running_mean", b),
            "norm2.running_var": formula.tensor("norm2.running_var", b, around=1.0),
        }

    def norm(self, path, x, training):
        mean, var = self.buffers[f"{path}.running_mean"], self.buffers[f"{path}.running_var"]
        torch_mean, torch_var = mean.clone(), var.clone()
        y = F.batch_norm(
            x,
            torch_mean,
            torch_var,
            self.w[f"{path}.gamma"],
            self.w[f"{path}.beta"],
            training=training,
            momentum=MOMENTUM,
            eps=EPSILON,
        )
        if training:
            with torch.no_grad():
                count = x.numel() // x.shape[1]
                batch_mean = x.mean(dim=(0, 2, 3))
                biased = x.var(dim=(0, 2, 3), unbiased=False)
                new_mean = (1 - MOMENTUM) * mean + MOMENTUM * batch_mean
                new_var = (1 - MOMENTUM) * var + MOMENTUM * biased
                unbiased_var = (1 - MOMENTUM) * var + MOMENTUM * biased * count / (count - 1)
                assert torch.allclose(torch_mean, new_mean, rtol=1e-13, atol=1e-15)
                assert torch.allclose(torch_var, unbiased_var, rtol=1e-13, atol=1e-15)
                self.buffers[f"{path}.running_mean"] = new_mean
                self.buffers[f"{path}.running_var"] = new_var
        return y

    def forward(self, images, training):
        w = self.w
        x = F.conv2d(images.unsqueeze(1), w["conv1.weight"], w["conv1.bias"], padding=1)
        x = F.relu(self.norm("norm1", x, training))
        x = F.conv2d(x, w["conv2.weight"], w["conv2.bias"], stride=2, padding=1)
        x = F.relu(self.norm("norm2", x, training))
        return F.linear(x.flatten(1), w["head.weight"].T, w["head.bias"])


def main():
    out = {
        "generator": "tests/golden/convnet.py",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "cases": {},
    }
    for name, c in CASES.items():
        net = Net(c)
        batches = []
        for step in range(3):
            images = formula.images(f"{name}.images.{step}", c["batch"], c["image_size"])
            targets = [v % c["classes"] for v in formula.raw(f"{name}.targets.{step}", c["batch"])]
            logits = net.forward(images, training=True)
            loss = F.cross_entropy(logits, torch.tensor(targets))
            for value in net.w.values():
                value.grad = None
            loss.backward()
            batches.append(
                {
                    "targets": targets,
                    "logits": logits.detach().tolist(),
                    "loss": loss.item(),
                    "gradients": {
                        path: formula.summary(path, value.grad)
                        for path, value in sorted(net.w.items())
                    },
                    "buffers": {path: value.tolist() for path, value in net.buffers.items()},
                }
            )
        images = formula.images(f"{name}.images.eval", c["batch"], c["image_size"])
        with torch.no_grad():
            evaluation = net.forward(images, training=False).tolist()
        out["cases"][name] = {**c, "batches": batches, "evaluation": evaluation}
    target = pathlib.Path(__file__).resolve().with_suffix(".json")
    target.write_text(json.dumps(out, indent=1) + "\n")
    print(target.name, target.stat().st_size, "bytes, torch", torch.__version__)


if __name__ == "__main__":
    main()
