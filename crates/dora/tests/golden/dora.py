#!/usr/bin/env python3
"""Writes dora.json: forward values and gradients of both DoRA flavours and of LoRA.

    pip install torch numpy peft      # peft is optional: see check_against_peft
    python dora.py                    # writes dora.json beside this file

Everything is computed by PyTorch in float64. Inputs are short dyadic fractions,
so float32 holds them exactly and the same file serves both precisions. The
versions used are in the file.

Conventions here are PyTorch's: W [out, in]. The loss is sum(y * r).
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


class Lcg:
    """Knuth's MMIX generator; its top bits as multiples of 1/256 in [-1, 1)."""

    def __init__(self, seed):
        self.state = seed

    def tensor(self, *shape):
        count = 1
        for side in shape:
            count *= side
        values = []
        for _ in range(count):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            values.append(((self.state >> 55) - 256) / 256)
        return torch.tensor(values).reshape(shape)

    def mask(self, rate, *shape):
        kept = self.tensor(*shape) >= 2 * rate - 1
        return torch.where(kept, 1 / (1 - rate), 0.0)


def peft(x, w, b, m, lora_a, lora_b, s, mask):
    """After peft/tuners/lora/dora.py, `DoraLinearLayer.forward`, called as
    lora.Linear does in training (dropout on x, base_result=None). A zero norm,
    where peft divides by 0, gives the ratio 1 without gradient."""
    n = torch.linalg.norm(w + s * (lora_b @ lora_a), dim=1).detach()
    zero = n == 0
    g = torch.where(zero, 1.0, m / torch.where(zero, 1.0, n))
    dropped = x if mask is None else x * mask
    y = F.linear(x, w, b)
    y = y + (g - 1) * F.linear(dropped, w)
    return y + g * F.linear(F.linear(dropped, lora_a), lora_b) * s


def peft_merged(w, m, lora_a, lora_b, s):
    v = w + s * (lora_b @ lora_a)
    n = torch.linalg.norm(v, dim=1).detach()
    zero = n == 0
    g = torch.where(zero, 1.0, m / torch.where(zero, 1.0, n))
    return g[:, None] * v


def clip_hba_merged(w, m, lora_a, lora_b, s, mask):
    """The CLIP-HBA code's DoRALayer. Its delta_D_B is lora_a.T, its delta_D_A is
    lora_b.T, and its dropout acts on their [in, out] product. A zero row of W,
    where the original divides by 0, has direction 0."""
    base = torch.linalg.norm(w, dim=1, keepdim=True)
    direction = torch.where(base == 0, 0.0, w / torch.where(base == 0, 1.0, base))
    update = s * (lora_a.T @ lora_b.T)
    if mask is not None:
        update = update * mask
    v = direction + update.T
    n = v.norm(dim=1, keepdim=True) + 1e-8
    return v / n * m[:, None]


def clip_hba(x, w, b, m, lora_a, lora_b, s, mask):
    return F.linear(x, clip_hba_merged(w, m, lora_a, lora_b, s, mask), b)


def lora(x, w, b, m, lora_a, lora_b, s, mask):
    """After peft/tuners/lora/layer.py, `Linear.forward`. There is no m."""
    dropped = x if mask is None else x * mask
    return F.linear(x, w, b) + F.linear(F.linear(dropped, lora_a), lora_b) * s


def scaling(case):
    return case["alpha"] / (case["rank"] ** 0.5 if case["rslora"] else case["rank"])


def run(case):
    """Forward, backward and the mask-free merged weight of one case."""
    s = scaling(case)
    leaves = {k: case[k].clone().requires_grad_() for k in ("x", "m", "lora_a", "lora_b") if case[k] is not None}
    args = (leaves["x"], case["w"], case["b"], leaves.get("m"), leaves["lora_a"], leaves["lora_b"])
    forward = {"peft": peft, "clip-hba": clip_hba, "lora": lora}[case["flavour"]]
    y = forward(*args, s, case["mask"])
    (y * case["r"]).sum().backward()
    w, m, lora_a, lora_b = (None if args[i] is None else args[i].detach() for i in (1, 3, 4, 5))
    if case["flavour"] == "peft":
        merged = peft_merged(w, m, lora_a, lora_b, s)
    elif case["flavour"] == "lora":
        merged = w + s * (lora_b @ lora_a)
    else:
        merged = clip_hba_merged(w, m, lora_a, lora_b, s, None)
    out = {"y": y.detach(), "merged": merged, "d_m": None}
    out.update({f"d_{k}": leaf.grad for k, leaf in leaves.items()})
    for name, value in out.items():
        assert value is None or torch.isfinite(value).all(), (case["name"], name)
    return out


def make(name, flavour, seed, x_shape, d_out, rank, alpha, bias, rate=None, rslora=False):
    rng = Lcg(seed)
    d_in = x_shape[-1]
    case = {
        "name": name,
        "flavour": flavour,
        "rank": rank,
        "alpha": alpha,
        "rslora": rslora,
        "x": rng.tensor(*x_shape),
        "w": rng.tensor(d_out, d_in),
        "b": rng.tensor(d_out) if bias else None,
        "m": rng.tensor(d_out).abs() + 0.5,
        "lora_a": rng.tensor(rank, d_in),
        "lora_b": rng.tensor(d_out, rank),
        "r": rng.tensor(*x_shape[:-1], d_out),
        "rate": rate or 0.0,
        "mask": None,
    }
    if flavour == "lora":
        case["m"] = None
    if rate is not None:
        shape = (d_in, d_out) if flavour == "clip-hba" else x_shape
        case["mask"] = rng.mask(rate, *shape)
    return case


def zero_rows(case):
    """Channel 0: all zero, as at the start on a zero row. Channel 1: a zero base
    row that the update has filled. Channel 2: a magnitude of 0."""
    case["w"][0] = case["w"][1] = 0.0
    case["lora_b"][0] = 0.0
    case["m"][0] = case["m"][2] = 0.0
    return case


def tiny_v(case):
    """V is about 1e-3 of its base, by cancellation that is exact in float32, so
    that a norm by the expanded square would be wrong. In the last channel V is
    0 while base and update are not."""
    d_out, d_in = case["w"].shape
    assert d_in == 4 and case["rank"] == 4
    signs = torch.where(case["w"] < 0, -1.0, 1.0)
    case["w"] = signs * 2.0 ** (torch.arange(d_out)[:, None] % 3 - 1)
    base = case["w"] if case["flavour"] == "peft" else signs * 0.5
    delta = torch.where(case["lora_b"] < 0, -1.0, 1.0) * 2.0**-11
    delta[-1] = 0.0
    case["lora_a"] = 2 * torch.eye(4)[[2, 0, 3, 1]]
    case["lora_b"] = (delta - base) @ case["lora_a"].T / 4 / (case["alpha"] / 4)
    case["m"] = 2.0 ** (torch.arange(d_out) % 2).to(torch.float64)
    v = base + case["alpha"] / 4 * case["lora_b"] @ case["lora_a"]
    assert torch.equal(v, delta)
    return case


def cases():
    for flavour, seed in (("peft", 1), ("clip-hba", 101)):
        def case(name, offset, *args, **kwargs):
            return make(f"{flavour} {name}", flavour, seed + offset, *args, **kwargs)

        yield case("wide with bias", 0, (5, 7), 4, 3, 6.0, True)
        yield case("tall without bias", 1, (3, 4), 9, 2, 1.0, False)
        yield case("batched with dropout 0.5", 2, (2, 3, 6), 5, 2, 4.0, True, rate=0.5)
        yield case("tall with dropout 0.2", 3, (6, 5), 11, 5, 16.0, True, rate=0.2)
        yield case("rank one vector", 4, (6,), 3, 1, 0.5, True)
        yield zero_rows(case("zero rows", 5, (4, 6), 5, 2, 3.0, True))
        yield zero_rows(case("zero rows with dropout 0.75", 6, (4, 6), 5, 2, 3.0, True, rate=0.75))
        yield tiny_v(case("tiny V", 7, (3, 4), 6, 4, 8.0, True))
        yield case("scaled by the rank's root", 8, (5, 7), 6, 3, 6.0, True, rslora=True)
    yield make("lora with bias", "lora", 201, (5, 7), 4, 3, 6.0, True)
    yield make("lora without bias", "lora", 202, (2, 3, 4), 9, 2, 1.0, False)
    yield make("lora with dropout 0.5", "lora", 203, (2, 3, 6), 5, 2, 4.0, True, rate=0.5)
    yield make("lora scaled by the rank's root", "lora", 204, (3, 5), 7, 3, 6.0, True, rslora=True)


def linear(weight, bias=None):
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight.clone()
    if bias is not None:
        layer.bias.data = bias.clone()
    return layer


def check_against_peft(case, out):
    """The package's own layer gives the same values and gradients. Cases with a
    zero norm are left out, as it gives NaN there."""
    from peft.tuners.lora.dora import DoraLinearLayer

    s = scaling(case)
    d_out, d_in = case["w"].shape
    if (torch.linalg.norm(case["w"] + s * case["lora_b"] @ case["lora_a"], dim=1) == 0).any():
        return False

    base = linear(case["w"], case["b"])
    lora_a, lora_b = linear(case["lora_a"]), linear(case["lora_b"])
    layer = DoraLinearLayer(fan_in_fan_out=False)
    layer.update_layer(
        base_layer=base, lora_A=lora_a.weight, lora_B=lora_b.weight, scaling=s
    )
    layer.weight.data = case["m"].clone()
    x = case["x"].clone().requires_grad_()
    y = base(x) + layer(
        x if case["mask"] is None else x * case["mask"],
        lora_A=lora_a,
        lora_B=lora_b,
        scaling=s,
        base_layer=base,
        base_result=None,
    ).reshape(case["r"].shape)
    (y * case["r"]).sum().backward()
    found = {
        "y": y.detach(),
        "d_x": x.grad,
        "d_m": layer.weight.grad,
        "d_lora_a": lora_a.weight.grad,
        "d_lora_b": lora_b.weight.grad,
    }
    for name, value in found.items():
        torch.testing.assert_close(value, out[name], rtol=1e-12, atol=1e-13)
    return True


def check_lora_against_peft(case, out):
    """The same of LoRA and of its scalings; without dropout, whose mask is the package's own."""
    from peft import LoraConfig
    from peft.tuners.lora.layer import Linear

    if case["mask"] is not None:
        return False
    config = LoraConfig(use_rslora=case["rslora"])
    layer = Linear(
        linear(case["w"], case["b"]), "default", config, r=case["rank"], lora_alpha=case["alpha"]
    )
    layer.lora_A["default"].weight.data = case["lora_a"].clone()
    layer.lora_B["default"].weight.data = case["lora_b"].clone()
    x = case["x"].clone().requires_grad_()
    y = layer(x)
    (y * case["r"]).sum().backward()
    found = {
        "y": y.detach(),
        "d_x": x.grad,
        "d_lora_a": layer.lora_A["default"].weight.grad,
        "d_lora_b": layer.lora_B["default"].weight.grad,
        "merged": layer.get_base_layer().weight.data + layer.get_delta_weight("default").detach(),
    }
    for name, value in found.items():
        torch.testing.assert_close(value, out[name], rtol=1e-12, atol=1e-13)
    return True


def starts():
    """What PiSSA and OLoRA begin with, in the package: the product of the factors, and the rest of
    the weight. The factors' signs and order are free."""
    from peft import LoraConfig
    from peft.tuners.lora.layer import Linear

    written = []
    for kind, seed, d_out, d_in, rank, alpha in (
        ("pissa", 301, 9, 6, 3, 6.0),
        ("pissa", 302, 5, 12, 4, 1.0),
        ("olora", 303, 9, 6, 3, 6.0),
        ("olora", 304, 5, 12, 4, 1.0),
    ):
        w = Lcg(seed).tensor(d_out, d_in).to(torch.float32)
        config = LoraConfig(init_lora_weights=kind)
        layer = Linear(linear(w), "default", config, r=rank, lora_alpha=alpha)
        written.append(
            {
                "init": kind,
                "rank": rank,
                "alpha": alpha,
                "w": plain(w),
                "update": plain(layer.get_delta_weight("default").detach()),
                "rest": plain(layer.get_base_layer().weight.data),
            }
        )
    return written


def plain(value):
    if torch.is_tensor(value):
        return {"shape": list(value.shape), "values": value.flatten().tolist()}
    return value


def main():
    try:
        import peft as package

        peft_version = package.__version__
    except ImportError:
        peft_version = None
    written, checked = [], 0
    for case in cases():
        out = run(case)
        if peft_version and case["flavour"] == "peft":
            checked += check_against_peft(case, out)
        if peft_version and case["flavour"] == "lora":
            checked += check_lora_against_peft(case, out)
        written.append({k: plain(v) for k, v in (case | {"expected": None}).items()})
        written[-1]["expected"] = {k: plain(v) for k, v in out.items()}
    document = {
        "generator": "dora.py",
        "torch": torch.__version__,
        "peft": peft_version,
        "checked_against_peft": checked,
        "cases": written,
        "starts": starts(),
    }
    path = pathlib.Path(__file__).with_name("dora.json")
    path.write_text(json.dumps(document) + "\n")
    print(f"{path.name}: {len(written)} cases, {checked} checked against peft {peft_version}")


if __name__ == "__main__":
    main()
