#!/usr/bin/env python3
"""Writes embedding.json: forward values and gradients of DoRA on embeddings.

    pip install torch numpy peft      # peft is optional: see check_against_peft
    python embedding.py               # writes embedding.json beside this file

Everything is computed by PyTorch in float64 from short dyadic fractions, as
dora.py does. W is [vocabulary, d], as in PyTorch and Burn. The loss is sum(y * r).
"""

import torch
import torch.nn.functional as F

from document import write
from dora import Lcg


def ratio(w, m, lora_a, lora_b, s):
    """m/n of each dimension; a zero norm, where peft divides by 0, gives 1
    without gradient."""
    n = torch.linalg.norm(w.T + s * (lora_b @ lora_a), dim=1).detach()
    zero = n == 0
    return torch.where(zero, 1.0, m / torch.where(zero, 1.0, n))


def forward(ids, w, m, lora_a, lora_b, s):
    """After peft/tuners/lora/variants.py, `DoraEmbeddingVariant.forward`."""
    g = ratio(w, m, lora_a, lora_b, s)
    return g * F.embedding(ids, w) + g * (F.embedding(ids, lora_a.T) @ lora_b.T) * s


def run(case):
    s = case["alpha"] / case["rank"]
    leaves = {k: case[k].clone().requires_grad_() for k in ("m", "lora_a", "lora_b")}
    ids = case["ids"].long()
    y = forward(ids, case["w"], leaves["m"], leaves["lora_a"], leaves["lora_b"], s)
    (y * case["r"]).sum().backward()
    m, lora_a, lora_b = (case[k] for k in ("m", "lora_a", "lora_b"))
    merged = ratio(case["w"], m, lora_a, lora_b, s) * (case["w"] + s * (lora_b @ lora_a).T)
    out = {"y": y.detach(), "merged": merged}
    out.update({f"d_{k}": leaf.grad for k, leaf in leaves.items()})
    for name, value in out.items():
        assert torch.isfinite(value).all(), (case["name"], name)
    return out


def make(name, seed, ids_shape, vocabulary, d, rank, alpha):
    rng = Lcg(seed)
    return {
        "name": name,
        "rank": rank,
        "alpha": alpha,
        # [-1, 1) to [0, vocabulary), with repetitions.
        "ids": ((rng.tensor(*ids_shape) + 1) / 2 * vocabulary).floor(),
        "w": rng.tensor(vocabulary, d),
        "m": rng.tensor(d).abs() + 0.5,
        "lora_a": rng.tensor(rank, vocabulary),
        "lora_b": rng.tensor(d, rank),
        "r": rng.tensor(*ids_shape, d),
    }


def zero_dimensions(case):
    """Dimension 0: all zero. Dimension 1: zeros that the update has filled.
    Dimension 2: a magnitude of 0."""
    case["w"][:, 0] = case["w"][:, 1] = 0.0
    case["lora_b"][0] = 0.0
    case["m"][0] = case["m"][2] = 0.0
    return case


def cases():
    yield make("large vocabulary", 1, (3, 5), 19, 4, 3, 6.0)
    yield make("wide vectors", 2, (2, 3), 5, 11, 2, 1.0)
    yield make("one id many times", 3, (4, 6), 2, 3, 1, 0.5)
    yield zero_dimensions(make("zero dimensions", 4, (3, 4), 7, 5, 2, 3.0))


def check_against_peft(case, out):
    """The package's own layer gives the same values, gradients and merged weight.
    Cases with a zero norm are left out, as it gives NaN there."""
    from peft import LoraConfig
    from peft.tuners.lora.layer import Embedding

    s = case["alpha"] / case["rank"]
    v = case["w"] + s * (case["lora_b"] @ case["lora_a"]).T
    if (torch.linalg.norm(v, dim=0) == 0).any():
        return False
    base = torch.nn.Embedding(*case["w"].shape, _weight=case["w"].clone())
    config = LoraConfig(r=case["rank"], lora_alpha=case["alpha"], use_dora=True)
    layer = Embedding(base, "default", config, r=case["rank"], lora_alpha=case["alpha"])
    leaves = {
        "lora_a": layer.lora_embedding_A["default"],
        "lora_b": layer.lora_embedding_B["default"],
        "m": layer.lora_magnitude_vector["default"].weight,
    }
    for name, leaf in leaves.items():
        assert leaf.shape == case[name].shape, name
        leaf.data = case[name].clone()
    y = layer(case["ids"].long())
    (y * case["r"]).sum().backward()
    found = {"y": y.detach()} | {f"d_{k}": leaf.grad for k, leaf in leaves.items()}
    layer.merge(safe_merge=True)
    found["merged"] = layer.get_base_layer().weight.data
    for name, value in found.items():
        torch.testing.assert_close(value, out[name], rtol=1e-12, atol=1e-13)
    return True


if __name__ == "__main__":
    write("embedding", cases(), run, check_against_peft)
