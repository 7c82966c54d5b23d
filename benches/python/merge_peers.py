#!/usr/bin/env python3
"""The DoRA merge W' = m (W + s B A) / ||W + s B A|| in PyTorch and Hugging Face PEFT.

    python3 merge_peers.py [--json FILE] [--max-autotune] [--no-compile] [--quick --device cpu]

Per shape, type and matrix precision:

    pytorch eager      D = W + s*(B@A); n = D.norm(dim=1) + 1e-8; D/n*m, forward, and forward with
                       the backward pass of m, A, B (full gradient) for a given dW'
    pytorch f32 norm   the same with D and the norm in f32, for half types: what is computed then
                       is what dacapo's kernel computes
    pytorch graph      the eager one as one replayed CUDA graph: no launch overhead
    torch.compile      the eager one, compiled; with --max-autotune tuned as well
    peft merge         `merge_safe` of PEFT's DoRA layer
    peft norm          what PEFT computes of the dense weight in every training step:
                       get_lora_weight and get_weight_norm
    peft layer         PEFT's whole layer on 2048 rows, and plain linear the same without adapter

W is [out, in]. Every forward result is compared with float64; the largest error, relative to the
largest element of its row, is in the JSON as `error`.
"""

import argparse
import warnings

import torch
from torch import nn

from peerlib import Clock, Report, common_arguments, count_kernels, device_of, matmul_precision

# (out, in, rank, dtype)
SHAPES = [
    (768, 768, 32, "f32"),
    (1024, 1024, 32, "f32"),
    (4096, 4096, 32, "f32"),
    (4096, 4096, 32, "bf16"),
    (14336, 4096, 32, "bf16"),
    (8192, 8192, 64, "f32"),
]
QUICK = [(48, 40, 4, "f32"), (33, 64, 4, "bf16")]
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
S, EPS, ROWS = 2.0, 1e-8, 2048


def merge(w, m, a, b):
    d = w + S * (b @ a)
    n = d.norm(dim=1) + EPS
    return d / n[:, None] * m[:, None]


def merge_f32_norm(w, m, a, b):
    d = w.float() + S * (b @ a).float()
    n = d.norm(dim=1) + EPS
    return (d / n[:, None] * m.float()[:, None]).to(w.dtype)


class Case:
    """One shape: seeded inputs, and the float64 result."""

    def __init__(self, out, in_, rank, dtype, device):
        self.out, self.in_, self.rank, self.dtype = out, in_, rank, dtype
        generator = torch.Generator(device=device).manual_seed(7)
        kind = DTYPES[dtype]

        def normal(rows, columns, deviation):
            full = torch.randn(rows, columns, device=device, generator=generator)
            return (deviation * full).to(kind)

        self.w = normal(out, in_, in_**-0.5)
        self.a = normal(rank, in_, in_**-0.5).requires_grad_()
        self.b = normal(out, rank, 0.02).requires_grad_()
        self.g = normal(out, in_, 1.0)
        self.m = self.w.float().norm(dim=1).to(kind).requires_grad_()

    def floor_bytes(self):
        """What each direction has to move at least: W in and W' out, or G and W in."""
        return 2 * self.out * self.in_ * self.w.element_size()

    @torch.no_grad()
    def error(self, found):
        """Against float64, relative to the largest element of the row; in slices of rows."""
        worst = 0.0
        for start in range(0, self.out, 2048):
            rows = slice(start, start + 2048)
            d = self.w[rows].double() + S * (self.b[rows].double() @ self.a.double())
            n = d.norm(dim=1, keepdim=True) + EPS
            expected = d / n * self.m[rows].double()[:, None]
            off = (found[rows].double() - expected).abs().amax(dim=1)
            worst = max(worst, (off / expected.abs().amax(dim=1)).max().item())
        return worst

    def forward(self, function):
        def call():
            with torch.no_grad():
                return function(self.w, self.m, self.a, self.b)

        return call

    def both(self, function):
        def call():
            result = function(self.w, self.m, self.a, self.b)
            return torch.autograd.grad(result, [self.m, self.a, self.b], self.g)

        return call


class Bench:
    def __init__(self, args, device):
        self.args, self.clock = args, Clock(device, args.repeats)
        self.report = Report("merge_peers", device, args.json, args.budget, args)
        # Small shapes, whose launches are counted at the end: (row, precision, call).
        self.to_count = []

    def row(self, case, precision, who, op, call, error=None, **more):
        us = self.clock.measure(call)
        row = self.report.row(
            shape=[case.out, case.in_], rank=case.rank, dtype=case.dtype, matmul=precision,
            who=who, op=op, us=us, floor_bytes=case.floor_bytes(), error=error, **more,
        )
        if max(case.out, case.in_) <= 1024 and who != "pytorch graph":
            self.to_count.append((row, precision, call))

    def both(self, case, precision, who, function):
        """Forward, and forward with backward."""
        forward = case.forward(function)
        self.row(case, precision, who, "forward", forward, case.error(forward()))
        self.row(case, precision, who, "forward+backward", case.both(function))

    def graph(self, case, precision):
        for op, call in ("forward", case.forward(merge)), ("forward+backward", case.both(merge)):
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    call()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                held = call()
            self.row(case, precision, "pytorch graph", op, graph.replay)
            del held

    def count(self):
        """Adds `kernels`, the launches of one call, to the rows of the small shapes."""
        for row, precision, call in self.to_count:
            with matmul_precision(precision):
                row["kernels"] = count_kernels(call)
            self.report.write()

    def compiled(self, case, precision, mode):
        torch._dynamo.reset()
        name = "torch.compile" if mode is None else "torch.compile max-autotune"
        options = {} if mode is None else {"mode": "max-autotune-no-cudagraphs"}
        self.both(case, precision, name, torch.compile(merge, dynamic=False, **options))

    def peft(self, case, precision):
        layer = peft_layer(case)
        adapter = "default"
        magnitude = layer.lora_magnitude_vector[adapter]
        low, high = layer.lora_A[adapter], layer.lora_B[adapter]
        weight = layer.get_base_layer().weight

        @torch.no_grad()
        def merged():
            return layer.lora_variant[adapter].merge_safe(layer, adapter, weight)

        def norm():
            with torch.no_grad():
                lora = magnitude.get_lora_weight(lora_A=low, lora_B=high)
                return magnitude.get_weight_norm(weight, lora, scaling=S)

        def layer_calls(module, trained):
            x = torch.randn(
                ROWS, case.in_, device=weight.device, dtype=weight.dtype, requires_grad=True
            )
            dy = torch.randn(ROWS, case.out, device=weight.device, dtype=weight.dtype)

            def forward():
                with torch.no_grad():
                    return module(x)

            return forward, lambda: torch.autograd.grad(module(x), [x, *trained], dy)

        self.row(case, precision, "peft merge", "forward", merged, case.error(merged()))
        self.row(case, precision, "peft norm", "norm", norm)
        layer.train()
        for who, module, trained in (
            ("peft layer", layer, [magnitude.weight, low.weight, high.weight]),
            ("plain linear", layer.get_base_layer(), []),
        ):
            forward, both = layer_calls(module, trained)
            self.row(case, precision, who, "layer forward", forward, rows=ROWS)
            self.row(case, precision, who, "layer forward+backward", both, rows=ROWS)


def peft_layer(case):
    """PEFT's DoRA layer with the tensors of `case`."""
    from peft import LoraConfig, get_peft_model

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(case.in_, case.out, bias=False, dtype=case.w.dtype)

        def forward(self, x):
            return self.linear(x)

    model = Model().to(case.w.device)
    model.linear.weight.data.copy_(case.w)
    config = LoraConfig(
        r=case.rank, lora_alpha=int(S) * case.rank, use_dora=True, target_modules=["linear"]
    )
    model = get_peft_model(model, config, autocast_adapter_dtype=False)
    layer = model.base_model.model.linear
    adapter = "default"
    with torch.no_grad():
        layer.lora_A[adapter].weight.copy_(case.a)
        layer.lora_B[adapter].weight.copy_(case.b)
        layer.lora_magnitude_vector[adapter].weight.copy_(case.m)
    return layer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common_arguments(parser, budget=170)
    parser.add_argument("--max-autotune", action="store_true", help="also compile with it; slow")
    parser.add_argument("--no-peft", action="store_true", help="leave PEFT out")
    args = parser.parse_args()
    device = device_of(args.device)
    warnings.filterwarnings("ignore")
    bench = Bench(args, device)
    report = bench.report
    report.set("event_overhead_us", bench.clock.overhead_us)
    report.set("copy_gb_per_s", bench.clock.copy_bandwidth())

    def precisions(dtype):
        return ["ieee", "tf32"] if dtype == "f32" else [dtype]

    def stage(who, measure, only=None):
        for out, in_, rank, dtype in QUICK if args.quick else SHAPES:
            if only and dtype not in only:
                continue
            for precision in precisions(dtype):
                what = f"{who} {out}x{in_} r{rank} {dtype} {precision}"

                def run():
                    with matmul_precision(precision):
                        measure(Case(out, in_, rank, dtype, device), precision)

                report.attempt(what, run)

    stage("pytorch eager", lambda c, p: bench.both(c, p, "pytorch eager", merge))
    stage(
        "pytorch f32 norm",
        lambda c, p: bench.both(c, p, "pytorch f32 norm", merge_f32_norm),
        only=["bf16", "f16"],
    )
    if device.type == "cuda":
        stage("pytorch graph", bench.graph)
    if args.no_peft:
        report.skip("peft", "--no-peft")
    else:
        try:
            import peft
        except Exception as error:
            report.skip("peft", f"cannot be imported: {error}")
        else:
            report.data["machine"]["peft"] = peft.__version__
            stage("peft", bench.peft)
    if args.no_compile:
        report.skip("torch.compile", "--no-compile")
    else:
        stage("torch.compile", lambda c, p: bench.compiled(c, p, None))
        if args.max_autotune:
            stage("torch.compile max-autotune", lambda c, p: bench.compiled(c, p, "max-autotune"))
    if device.type == "cuda":
        report.attempt("counting launches", bench.count)


if __name__ == "__main__":
    main()
