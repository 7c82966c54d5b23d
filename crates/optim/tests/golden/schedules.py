#!/usr/bin/env python3
"""Golden learning-rate factors of torch.optim.lr_scheduler.

    python schedules.py      # writes schedules.json beside it

Written with the versions printed into the file. The base rate is 1, so the
learning rate is the factor.
"""

import json
import pathlib
import platform
import warnings

import torch
from torch.optim import lr_scheduler as lrs

# Stepping a scheduler without an optimizer step is what we are here for.
warnings.filterwarnings("ignore", category=UserWarning)


def warm(optimizer, warmup):
    return lrs.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)


def warmup_cosine(optimizer, warmup, total, low):
    cosine = lrs.CosineAnnealingLR(optimizer, T_max=total - warmup, eta_min=low)
    return lrs.SequentialLR(optimizer, [warm(optimizer, warmup), cosine], milestones=[warmup])


# (schedule, PyTorch's name, PyTorch's scheduler, ticks)
CASES = [
    ({"kind": "constant"}, "LambdaLR", lambda o: lrs.LambdaLR(o, lambda t: 1.0), 20),
    ({"kind": "linear_warmup", "warmup": 1}, "LinearLR", lambda o: warm(o, 1), 10),
    ({"kind": "linear_warmup", "warmup": 25}, "LinearLR", lambda o: warm(o, 25), 60),
    ({"kind": "linear_warmup", "warmup": 7}, "LambdaLR",
     lambda o: lrs.LambdaLR(o, lambda t: min(1.0, (t + 1) / 8)), 20),
    ({"kind": "cosine", "total": 100, "min_factor": 0.0}, "CosineAnnealingLR",
     lambda o: lrs.CosineAnnealingLR(o, T_max=100), 101),
    ({"kind": "cosine", "total": 33, "min_factor": 0.1}, "CosineAnnealingLR",
     lambda o: lrs.CosineAnnealingLR(o, T_max=33, eta_min=0.1), 34),
    ({"kind": "warmup_cosine", "warmup": 10, "total": 90, "min_factor": 0.01}, "SequentialLR",
     lambda o: warmup_cosine(o, 10, 90, 0.01), 91),
    ({"kind": "step", "every": 7, "gamma": 0.3}, "StepLR", lambda o: lrs.StepLR(o, 7, 0.3), 60),
    ({"kind": "exponential", "gamma": 0.97}, "ExponentialLR", lambda o: lrs.ExponentialLR(o, 0.97), 100),
]


def run(schedule, reference, make, ticks):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    factors = []
    for _ in range(ticks):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return {"schedule": schedule, "reference": reference, "factors": factors}


def main():
    golden = {
        "generator": "schedules.py",
        "torch": torch.__version__,
        "python": platform.python_version(),
        "cases": [run(*case) for case in CASES],
    }
    path = pathlib.Path(__file__).parent / "schedules.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
