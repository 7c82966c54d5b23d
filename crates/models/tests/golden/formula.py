"""Numbers that the Rust tests regenerate exactly (tests/common/formula.rs).

Every tensor is named by a path. A 64-bit linear congruential generator
(Knuth's MMIX constants), started at the FNV-1a hash of the path, gives
multiples of 2^-20 in [-0.5, 0.5): exact in float32 and in float64 alike.
"""

import torch

MASK = (1 << 64) - 1


def fnv1a(text: str) -> int:
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def raw(path: str, count: int) -> list[int]:
    """`count` integers in [0, 2^20)."""
    state = fnv1a(path)
    out = []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) & MASK
        out.append(state >> 44)
    return out


def tensor(path: str, *shape: int, around: float = 0.0) -> torch.Tensor:
    """Multiples of 2^-20 in [around - 0.5, around + 0.5), row by row."""
    count = 1
    for side in shape:
        count *= side
    values = [around + (v / 2.0**20 - 0.5) for v in raw(path, count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def images(path: str, count: int, side: int) -> torch.Tensor:
    """Pixels k/16 with k in 0..=16, as the digits have them."""
    values = [(v % 17) / 16.0 for v in raw(path, count * side * side)]
    return torch.tensor(values, dtype=torch.float64).reshape(count, side, side)


def summary(path: str, gradient: torch.Tensor) -> dict:
    """What a gradient is compared by: its norm, and its inner product with
    `tensor(path + ".probe")`, which sees the order and the sign of elements."""
    probe = tensor(path + ".probe", *gradient.shape)
    return {"norm": gradient.norm().item(), "probe": (gradient * probe).sum().item()}
