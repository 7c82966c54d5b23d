#!/usr/bin/env python3
"""Golden trajectories of torch.optim.AdamW for the Rust tests.

    python adamw.py          # writes adamw_f32.json and adamw_f64.json beside it

Written with the versions printed into the files. ATEN_CPU_CAPABILITY=default
chooses PyTorch's portable kernels: the AVX2 and AVX-512 ones contract products
and sums into FMAs, so their last bits depend on the machine. Parameters and
gradients are dyadic fractions from an integer LCG (exact in f32), which the
Rust test draws again. Tensors are stored as hex of their big-endian bits.
"""

import os

os.environ["ATEN_CPU_CAPABILITY"] = "default"

import json
import pathlib
import platform
import struct

import torch

STEPS = 200
SNAPSHOTS = [1, 2, 10, 50, 200]
# path -> (shape, power of two on the gradients)
PARAMS = {"body.weight": ([5, 7], 2.0), "head.bias": ([6], 2.0**-6)}

CASES = {
    "default": {},
    "no_decay": {"weight_decay": 0.0},
    "amsgrad": {"amsgrad": True, "lr": 1e-2},
    "large_eps": {"eps": 1e-2, "lr": 1e-2, "weight_decay": 0.1},
    "clip_norm": {"clip_norm": 0.5},
    "clip_value": {"clip_value": 0.75},
    "clip_both": {"clip_norm": 4.0, "clip_value": 1.5},
    "two_groups": {
        "groups": [
            {"pattern": "*.bias", "lr": 5e-3, "beta1": 0.85, "beta2": 0.99,
             "eps": 1e-6, "weight_decay": 0.0, "amsgrad": True},
            {"pattern": "body.*", "lr": 2e-3, "weight_decay": 0.1},
        ]
    },
    "betas": {"beta1": 0.8, "beta2": 0.95},
    # 1 - beta1 > 0.5: the other branch of lerp.
    "low_beta1": {"beta1": 0.3, "beta2": 0.9},
    # The learning rate is the base rate times 0.99^(step - 1).
    "decaying_lr": {"lr": 1e-2},
}
FACTOR = {"decaying_lr": 0.99}
DEFAULTS = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 1e-2, "amsgrad": False}


class Lcg:
    """Knuth's MMIX LCG; the upper 24 bits as a dyadic fraction in [-1, 1)."""

    def __init__(self):
        self.state = 2026

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return ((self.state >> 40) - 2**23) / 2**23

    def take(self, count, scale=1.0):
        return [self.next() * scale for _ in range(count)]


def hexed(tensor):
    code = {torch.float32: ">f", torch.float64: ">d"}[tensor.dtype]
    return "".join(struct.pack(code, value).hex() for value in tensor.flatten().tolist())


def group_of(path, config):
    from fnmatch import fnmatchcase

    hyper = {key: config.get(key, value) for key, value in DEFAULTS.items()}
    for group in config.get("groups", []):
        if fnmatchcase(path, group["pattern"]):
            hyper.update({key: value for key, value in group.items() if key != "pattern"})
            break
    return hyper


def run(name, config, dtype):
    lcg = Lcg()
    count = {path: torch.Size(shape).numel() for path, (shape, _) in PARAMS.items()}
    params = {
        path: torch.nn.Parameter(torch.tensor(lcg.take(count[path]), dtype=torch.float64).to(dtype).reshape(shape))
        for path, (shape, _) in PARAMS.items()
    }
    groups = []
    for path, param in params.items():
        h = group_of(path, config)
        groups.append(
            {"params": [param], "lr": h["lr"], "betas": (h["beta1"], h["beta2"]), "eps": h["eps"],
             "weight_decay": h["weight_decay"], "amsgrad": h["amsgrad"], "base": h["lr"]}
        )
    optimizer = torch.optim.AdamW(groups, foreach=False, fused=False)
    snapshots = []
    norm = None
    for step in range(1, STEPS + 1):
        for path, (shape, scale) in PARAMS.items():
            grad = lcg.take(count[path], scale)
            grad[3] = 0.0  # one element never gets a gradient
            params[path].grad = torch.tensor(grad, dtype=torch.float64).to(dtype).reshape(shape)
        if config.get("clip_value") is not None:
            torch.nn.utils.clip_grad_value_(params.values(), config["clip_value"], foreach=False)
        limit = config.get("clip_norm", float("inf"))
        norm = torch.nn.utils.clip_grad_norm_(params.values(), limit, foreach=False)
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * FACTOR.get(name, 1.0) ** (step - 1)
        optimizer.step()
        if step in SNAPSHOTS:
            tensors = {}
            for path, param in params.items():
                state = optimizer.state[param]
                tensors[path] = {"param": hexed(param.detach())}
                for key in ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"):
                    if key in state:
                        tensors[path][key] = hexed(state[key])
            snapshots.append({"step": step, "grad_norm": norm.item(), "tensors": tensors})
    return {"name": name, "config": config, "gamma": FACTOR.get(name, 1.0), "snapshots": snapshots}


def main():
    torch.set_num_threads(1)
    here = pathlib.Path(__file__).parent
    for label, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        golden = {
            "generator": "adamw.py",
            "torch": torch.__version__,
            "python": platform.python_version(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "dtype": label,
            "steps": STEPS,
            "params": [{"path": p, "shape": s, "scale": g} for p, (s, g) in PARAMS.items()],
            "cases": [run(name, config, dtype) for name, config in CASES.items()],
        }
        (here / f"adamw_{label}.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
