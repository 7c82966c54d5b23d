"""Golden files of dacapo-pth, written by PyTorch, and what is in them.

    pip install torch numpy
    python pth.py

writes the .pth and .pt files and pth.json beside this script: every value of every
file, floats and elements as bits. Made with torch 2.15 (CPU) and numpy 2.4.
"""

import collections
import io
import json
import pathlib
import random
import struct
import warnings
import zipfile

import numpy as np
import torch

HERE = pathlib.Path(__file__).parent
EXPECTED = {}


def describe(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return {"int": str(int(value))}
    if isinstance(value, (float, np.floating)):
        return {"float": struct.pack(">d", value).hex()}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, list):
        return {"list": [describe(item) for item in value]}
    if isinstance(value, tuple):
        return {"tuple": [describe(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[describe(k), describe(v)] for k, v in value.items()]}
    if isinstance(value, torch.Tensor):
        flat = value.detach().contiguous().reshape(-1)
        data = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        dtype = str(value.dtype).removeprefix("torch.")
        return {"tensor": [dtype, list(value.shape), data.hex()]}
    if isinstance(value, np.ndarray):
        data = value.astype(value.dtype.newbyteorder("<")).tobytes(order="C")
        return {"array": [value.dtype.name, list(value.shape), data.hex()]}
    raise TypeError(type(value))


def save(name, value):
    torch.save(value, HERE / name)
    EXPECTED[name] = describe(value)


def dtypes():
    numbers = torch.tensor([[0.0, -0.0, 1.5], [-2.25, 3.0, 100.0]], dtype=torch.float64)
    out = {}
    for dtype in ("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2",
                  "complex64", "complex128", "int64", "int32", "int16", "int8",
                  "bool"):
        out[dtype] = numbers.to(getattr(torch, dtype))
    for dtype in ("uint64", "uint32", "uint16", "uint8"):
        out[dtype] = numbers.abs().to(torch.int64).to(getattr(torch, dtype))
    out["nan"] = torch.tensor([0x7FC00001, 0x7F800000, -1], dtype=torch.int32).view(torch.float32)
    save("dtypes.pth", out)


def views():
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    tied = torch.arange(3, dtype=torch.int64)
    save("views.pth", {
        "base": base,
        "transposed": base.t(),
        "column": base[:, 2],
        "slice": base[1:3, 1:6:2],
        "row": base[2],
        "alone": torch.arange(12, dtype=torch.int16).reshape(3, 4)[1:, ::2].t(),
        "permuted": torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4).permute(2, 0, 1),
        "scalar": torch.tensor(7.0),
        "empty": torch.zeros(0, 3),
        "expanded": torch.tensor([5, 6], dtype=torch.int32)[:, None].expand(2, 3),
        "tied": [tied, tied, tied[1:]],
        "parameter": torch.nn.Parameter(torch.tensor([1.0, 2.0])),
    })


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.proj = torch.nn.Linear(3, 2)
        self.norm = torch.nn.BatchNorm1d(2)
        self.register_buffer("ids", torch.arange(3))
        self.width = 5
        self.sizes = [1, 2]

    def forward(self, x):
        return self.norm(self.proj(x))


def state_dict():
    save("model.pth", Model().state_dict())


def script():
    model = torch.jit.script(Model().half().eval())
    whole = io.BytesIO()
    torch.jit.save(model, whole)
    # Without the debug entries, which tell the paths of the machine that wrote them.
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(HERE / "script.pt", "w") as new:
        for entry in old.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                new.writestr(entry, old.read(entry))
    EXPECTED["script.pt"] = describe(dict(sorted(model.state_dict().items())))


def checkpoint():
    model = Model()
    optimizer = torch.optim.AdamW(
        [
            {"params": [model.proj.weight], "weight_decay": 0.1},
            {"params": [model.proj.bias, *model.norm.parameters()], "weight_decay": 0},
        ],
        lr=1e-3,
    )
    warmup = torch.optim.lr_scheduler.LinearLR(optimizer, total_iters=2)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
    scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, cosine], [2])
    steps = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
        scheduler.step()
    generator = torch.Generator().manual_seed(7)
    save("checkpoint.pth", {
        "epoch": 3,
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
        "steps_state_dict": steps.state_dict(),
        "dataloader_generator_state": generator.get_state(),
        "torch_rng_state": torch.get_rng_state(),
        "numpy_rng_state": np.random.get_state(),
        "python_rng_state": random.getstate(),
        # What one GPU's generator gives: a seed and an offset.
        "cuda_rng_state_all": [torch.arange(16, dtype=torch.uint8)],
    })


def dora():
    name = "clip_model.visual.transformer.resblocks.22.attn.out_proj"
    save("dora.pth", {
        f"{name}.m": torch.nn.Parameter(torch.rand(1, 4)),
        f"{name}.lora_A": torch.nn.Parameter(torch.rand(2, 3)),
        f"{name}.lora_B": torch.zeros(4, 2),
    })


def plain_values():
    save("plain.pth", {
        "none": None,
        "bools": [True, False],
        "ints": [0, 255, 256, 65535, 65536, -1, 2**31 - 1, -2**31, 2**31, 2**63 - 1, -2**63,
                 2**64 - 1, 2**127 - 1, -2**127],
        "floats": (0.0, -0.0, 1.1, float("inf"), float("nan"), 5e-324),
        "text": "Grüße, 世界",
        "bytes": [b"", b"abc", bytes(range(256))],
        "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        "nested": {"a": {"b": [{"c": ()}]}},
        3: "int key",
        (1, "x"): "tuple key",
        None: "none key",
        2.5: "float key",
        b"k": "bytes key",
        "ordered": collections.OrderedDict(b=1, a=2),
        "counter": collections.Counter([4, 2, 4]),
        "arrays": [
            np.arange(6, dtype=np.float32).reshape(2, 3),
            np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)),
            np.arange(3, dtype=">u4"),
            np.array([1 + 2j], dtype=">c8"),
            np.array(True),
            np.zeros((0, 2)),
        ],
        "scalars": [np.float64(1.1), np.float32(1.1), np.int8(-3), np.uint64(2**64 - 1),
                    np.int64(-5), np.bool_(True)],
    })


torch.manual_seed(1)
np.random.seed(2)
random.seed(3)
warnings.simplefilter("ignore")
np.random.standard_normal()
dtypes()
views()
state_dict()
script()
checkpoint()
dora()
plain_values()
torch.save({"w": torch.ones(2)}, HERE / "before-1.6.pth", _use_new_zipfile_serialization=False)
with open(HERE / "pth.json", "w", encoding="utf-8") as file:
    lines = [json.dumps({name: value}, ensure_ascii=False)[1:-1] for name, value in EXPECTED.items()]
    file.write("{\n" + ",\n".join(lines) + "\n}\n")
