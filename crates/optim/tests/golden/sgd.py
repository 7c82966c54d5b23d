#!/usr/bin/env python3
"""Golden trajectories of torch.optim.SGD for the Rust tests.

    python sgd.py            # writes sgd_f32.json and sgd_f64.json beside it

As adamw.py, whose generator and kernels it uses: see there.
"""

import json
import pathlib
import platform

import adamw  # sets ATEN_CPU_CAPABILITY before torch is imported
import torch

STEPS = 100
SNAPSHOTS = [1, 2, 10, 100]
DEFAULTS = {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "nesterov": False, "weight_decay": 0.0}

CASES = {
    "default": {},
    "momentum": {"lr": 1e-2, "momentum": 0.9},
    "nesterov": {"lr": 1e-2, "momentum": 0.9, "nesterov": True},
    "dampening": {"lr": 1e-2, "momentum": 0.8, "dampening": 0.3},
    "decay": {"lr": 1e-2, "momentum": 0.9, "weight_decay": 0.1},
    "decay_alone": {"lr": 1e-2, "weight_decay": 0.1},
    "clip_value": {"lr": 1e-2, "momentum": 0.9, "clip_value": 0.75},
    "clip_norm": {"lr": 1e-2, "momentum": 0.9, "clip_norm": 0.5},
    "two_groups": {
        "lr": 1e-2,
        "momentum": 0.9,
        "groups": [
            {"pattern": "*.bias", "lr": 5e-3, "momentum": 0.0, "weight_decay": 0.2},
            {"pattern": "body.*", "nesterov": True},
        ],
    },
    # The learning rate is the base rate times 1 - slope * (step - 1), which is exact.
    "decaying_lr": {"lr": 1e-2, "momentum": 0.9},
}
SLOPE = {"decaying_lr": 2.0**-7}


def group_of(path, config):
    from fnmatch import fnmatchcase

    hyper = {key: config.get(key, value) for key, value in DEFAULTS.items()}
    for group in config.get("groups", []):
        if fnmatchcase(path, group["pattern"]):
            hyper.update({key: value for key, value in group.items() if key != "pattern"})
            break
    return hyper


def run(name, config, dtype):
    lcg = adamw.Lcg()
    count = {path: torch.Size(shape).numel() for path, (shape, _) in adamw.PARAMS.items()}
    params = {
        path: torch.nn.Parameter(torch.tensor(lcg.take(count[path]), dtype=torch.float64).to(dtype).reshape(shape))
        for path, (shape, _) in adamw.PARAMS.items()
    }
    groups = []
    for path, param in params.items():
        hyper = group_of(path, config)
        groups.append({"params": [param], "base": hyper["lr"], **hyper})
    optimizer = torch.optim.SGD(groups, foreach=False, fused=False)
    snapshots = []
    for step in range(1, STEPS + 1):
        for path, (shape, scale) in adamw.PARAMS.items():
            grad = lcg.take(count[path], scale)
            params[path].grad = torch.tensor(grad, dtype=torch.float64).to(dtype).reshape(shape)
        if config.get("clip_value") is not None:
            torch.nn.utils.clip_grad_value_(params.values(), config["clip_value"], foreach=False)
        limit = config.get("clip_norm", float("inf"))
        torch.nn.utils.clip_grad_norm_(params.values(), limit, foreach=False)
        for group in optimizer.param_groups:
            group["lr"] = group["base"] * (1.0 - SLOPE.get(name, 0.0) * (step - 1))
        optimizer.step()
        if step in SNAPSHOTS:
            tensors = {}
            for path, param in params.items():
                tensors[path] = {"param": adamw.hexed(param.detach())}
                buffer = optimizer.state[param].get("momentum_buffer")
                if buffer is not None:
                    tensors[path]["momentum_buffer"] = adamw.hexed(buffer)
            snapshots.append({"step": step, "tensors": tensors})
    return {"name": name, "config": config, "slope": SLOPE.get(name, 0.0), "snapshots": snapshots}


def main():
    torch.set_num_threads(1)
    here = pathlib.Path(__file__).parent
    for label, dtype in (("f32", torch.float32), ("f64", torch.float64)):
        golden = {
            "generator": "sgd.py",
            "torch": torch.__version__,
            "python": platform.python_version(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "dtype": label,
            "steps": STEPS,
            "params": [{"path": p, "shape": s, "scale": g} for p, (s, g) in adamw.PARAMS.items()],
            "cases": [run(name, config, dtype) for name, config in CASES.items()],
        }
        (here / f"sgd_{label}.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
