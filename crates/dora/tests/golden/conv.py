#!/usr/bin/env python3
"""Writes conv.json: forward values and gradients of DoRA on 2D convolutions.

    pip install torch numpy peft      # peft is optional: see check_against_peft
    python conv.py                    # writes conv.json beside this file

Everything is computed by PyTorch in float64 from short dyadic fractions, as
dora.py does. The loss is sum(y * r).
"""

import torch
import torch.nn.functional as F

from document import write
from dora import Lcg


def product(lora_a, lora_b, groups):
    """B·A of each group, as an update of the weight [out, in/groups, kh, kw]."""
    parts = zip(lora_a.chunk(groups), lora_b.chunk(groups))
    return torch.cat([torch.einsum("orij,rchw->ochw", b, a) for a, b in parts])


def ratio(w, m, lora_a, lora_b, s, groups):
    """m/n of each output channel, [1, out, 1, 1]; a zero norm, where peft divides
    by 0, gives 1 without gradient."""
    v = w + s * product(lora_a, lora_b, groups)
    n = v.norm(p=2, dim=(1, 2, 3)).detach()
    zero = n == 0
    return torch.where(zero, 1.0, m / torch.where(zero, 1.0, n)).reshape(1, -1, 1, 1)


def forward(x, w, b, m, lora_a, lora_b, case):
    """After peft/tuners/lora/dora.py, `_DoraConvNdLayer.forward`, called as
    `_DoraConvNdVariant` does in training, but with A in the base's groups and
    dilation."""
    groups = case["groups"]
    geometry = {k: case[k] for k in ("stride", "padding", "dilation", "groups")}
    s = case["alpha"] / case["rank"]
    g = ratio(w, m, lora_a, lora_b, s, groups)
    dropped = x if case["mask"] is None else x * case["mask"]
    y = F.conv2d(x, w, b, **geometry) + (g - 1) * F.conv2d(dropped, w, **geometry)
    return y + g * F.conv2d(F.conv2d(dropped, lora_a, **geometry), lora_b, groups=groups) * s


LEAVES = ("x", "m", "lora_a", "lora_b")


def run(case):
    leaves = {k: case[k].clone().requires_grad_() for k in LEAVES}
    x, m, lora_a, lora_b = leaves.values()
    y = forward(x, case["w"], case["b"], m, lora_a, lora_b, case)
    (y * case["r"]).sum().backward()
    _, m, lora_a, lora_b = (case[k] for k in LEAVES)
    s, groups = case["alpha"] / case["rank"], case["groups"]
    g = ratio(case["w"], m, lora_a, lora_b, s, groups)
    merged = g.transpose(0, 1) * (case["w"] + s * product(lora_a, lora_b, groups))
    out = {"y": y.detach(), "merged": merged}
    out.update({f"d_{k}": leaf.grad for k, leaf in leaves.items()})
    for name, value in out.items():
        assert torch.isfinite(value).all(), (case["name"], name)
    return out


def make(
    name, seed, x_shape, outputs, kernel, rank, alpha, *, bias=True, rate=None,
    stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1,
):  # fmt: skip
    rng = Lcg(seed)
    inputs = x_shape[1] // groups
    case = {
        "name": name,
        "rank": rank,
        "alpha": alpha,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "x": rng.tensor(*x_shape),
        "w": rng.tensor(outputs, inputs, *kernel),
        "b": rng.tensor(outputs) if bias else None,
        "m": rng.tensor(outputs).abs() + 0.5,
        "lora_a": rng.tensor(rank, inputs, *kernel),
        "lora_b": rng.tensor(outputs, rank // groups, 1, 1),
        "rate": rate or 0.0,
        "mask": None if rate is None else rng.mask(rate, *x_shape),
    }
    y = F.conv2d(case["x"], case["w"], None, stride, padding, dilation, groups)
    case["r"] = rng.tensor(*y.shape)
    return case


def zero_channels(case):
    """Channel 0: all zero. Channel 1: a zero base that the update has filled.
    Channel 2: a magnitude of 0."""
    case["w"][0] = case["w"][1] = 0.0
    case["lora_b"][0] = 0.0
    case["m"][0] = case["m"][2] = 0.0
    return case


def cases():
    yield make("3x3 with padding", 1, (2, 5, 6, 7), 4, (3, 3), 3, 6.0, padding=(1, 1))
    yield make("2x3 with strides", 2, (2, 2, 8, 7), 6, (2, 3), 2, 1.0, bias=False,
               stride=(2, 1), padding=(0, 2))  # fmt: skip
    yield make("1x1 with dropout", 3, (3, 6, 4, 4), 5, (1, 1), 2, 4.0, rate=0.2)
    yield make("3x3 with dropout", 4, (2, 3, 5, 5), 7, (3, 3), 4, 2.0, rate=0.5, padding=(1, 1))
    yield make("two groups", 5, (2, 4, 5, 6), 6, (3, 2), 4, 8.0, groups=2)
    yield make("by depth with dropout", 6, (2, 3, 6, 6), 6, (3, 3), 3, 1.5, groups=3,
               padding=(1, 1), stride=(2, 2), rate=0.2)  # fmt: skip
    yield make("dilated", 7, (2, 3, 8, 9), 4, (3, 2), 2, 1.0, dilation=(2, 3))
    yield zero_channels(make("zero channels", 8, (2, 3, 5, 5), 5, (3, 3), 2, 3.0))
    yield zero_channels(
        make("zero channels with dropout", 9, (2, 3, 5, 5), 5, (3, 3), 2, 3.0, rate=0.75)
    )


class Masked(torch.nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, x):
        return x * self.mask


def group_of(case, at):
    """One group of a case as a case without groups."""
    groups = case["groups"]

    def part(key, dim):
        return None if case[key] is None else case[key].chunk(groups, dim)[at]

    by_channel = {k: part(k, 1) for k in ("x", "mask", "r")}
    by_output = {k: part(k, 0) for k in ("w", "b", "m", "lora_a", "lora_b")}
    return case | by_channel | by_output | {"rank": case["rank"] // groups, "groups": 1}


def by_peft(case, s):
    """What the package's own layer gives for a case without groups."""
    from peft import LoraConfig
    from peft.tuners.lora.layer import Conv2d

    outputs, inputs, *kernel = case["w"].shape
    geometry = {k: case[k] for k in ("stride", "padding")}
    base = torch.nn.Conv2d(inputs, outputs, kernel, bias=case["b"] is not None, **geometry)
    base.weight.data = case["w"].clone()
    if case["b"] is not None:
        base.bias.data = case["b"].clone()
    config = LoraConfig(r=case["rank"], lora_alpha=s * case["rank"], use_dora=True)
    layer = Conv2d(base, "default", config, r=case["rank"], lora_alpha=s * case["rank"])
    if case["mask"] is not None:
        layer.lora_dropout["default"] = Masked(case["mask"])
    x = case["x"].clone().requires_grad_()
    leaves = {
        "m": layer.lora_magnitude_vector["default"].weight,
        "lora_a": layer.lora_A["default"].weight,
        "lora_b": layer.lora_B["default"].weight,
    }
    for name, leaf in leaves.items():
        leaf.data = case[name].reshape(leaf.shape).clone()
    y = layer(x)
    (y * case["r"]).sum().backward()
    found = {f"d_{k}": leaf.grad.reshape(case[k].shape) for k, leaf in leaves.items()}
    layer.merge(safe_merge=True)
    return found | {"y": y.detach(), "d_x": x.grad, "merged": layer.get_base_layer().weight.data}


def check_against_peft(case, out):
    """The package's own layer gives the same values, gradients and merged weight:
    of each group by itself, as it does not split the update into groups. Left out
    are dilated cases, which it cannot compute, and those with a zero norm, where it
    gives NaN."""
    s = case["alpha"] / case["rank"]
    v = case["w"] + s * product(case["lora_a"], case["lora_b"], case["groups"])
    if case["dilation"] != (1, 1) or (v.flatten(1).norm(dim=1) == 0).any():
        return False
    parts = [by_peft(group_of(case, at), s) for at in range(case["groups"])]
    for name in out:
        found = torch.cat([part[name] for part in parts], 1 if name in ("y", "d_x") else 0)
        torch.testing.assert_close(found, out[name], rtol=1e-12, atol=1e-13)
    return True


if __name__ == "__main__":
    write("conv", cases(), run, check_against_peft)
