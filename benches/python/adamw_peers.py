#!/usr/bin/env python3
"""PyTorch's AdamW step over many small tensors, f32: fused, foreach, and one tensor at a time.

    python3 adamw_peers.py [--json FILE] [--quick --device cpu]

Two sets of tensors: `clip-hba`, the nine of DoRA of rank 32 on the last two vision blocks' output
projections of CLIP ViT-L/14 and on the last text block's; `vit-l`, the 432 of DoRA of rank 16 on
the six linear layers of all 24 blocks.
"""

import argparse
import warnings

import torch

from peerlib import Clock, Report, common_arguments, count_kernels, device_of


def adapter(d_in, d_out, rank):
    """Shapes of m, A and B."""
    return [(d_out,), (rank, d_in), (d_out, rank)]


def tensor_sets(quick):
    if quick:
        return {"quick": adapter(40, 48, 4) + adapter(33, 7, 2)}
    block = 4 * adapter(1024, 1024, 16) + adapter(1024, 4096, 16) + adapter(4096, 1024, 16)
    return {
        "clip-hba": 2 * adapter(1024, 1024, 32) + adapter(768, 768, 32),
        "vit-l": 24 * block,
    }


# Bytes that one element costs at least: parameter, both moments read and written, gradient read.
BYTES = 7 * 4
KINDS = {"fused": {"fused": True}, "foreach": {"foreach": True}, "single": {"foreach": False}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common_arguments(parser, budget=60)
    args = parser.parse_args()
    device = device_of(args.device)
    warnings.filterwarnings("ignore")
    clock = Clock(device, args.repeats)
    report = Report("adamw_peers", device, args.json, args.budget, args)
    report.set("event_overhead_us", clock.overhead_us)
    report.set("copy_gb_per_s", clock.copy_bandwidth())
    to_count = []

    def measure(name, shapes, who, call):
        numbers = sum(torch.Size(shape).numel() for shape in shapes)
        row = report.row(
            tensors=name, count=len(shapes), numbers=numbers, who=who, us=clock.measure(call),
            floor_bytes=BYTES * numbers,
        )
        to_count.append((row, call))

    for name, shapes in tensor_sets(args.quick).items():
        generator = torch.Generator(device=device).manual_seed(7)

        def normal(shape):
            return torch.randn(shape, device=device, generator=generator)

        for kind, options in KINDS.items():

            def run():
                parameters = [normal(shape).requires_grad_() for shape in shapes]
                for parameter in parameters:
                    parameter.grad = normal(parameter.shape)
                optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, **options)
                measure(name, shapes, f"pytorch {kind}", optimizer.step)

            report.attempt(f"pytorch {kind} {name}", run)

        def compiled():
            parameters = [normal(shape).requires_grad_() for shape in shapes]
            for parameter in parameters:
                parameter.grad = normal(parameter.shape)
            # With step counts on the device, which the compiler needs to fuse them.
            optimizer = torch.optim.AdamW(
                parameters, lr=1e-3, weight_decay=0.01, foreach=True,
                capturable=device.type == "cuda",
            )
            measure(name, shapes, "torch.compile", torch.compile(optimizer.step))

        # Compiling the step over hundreds of tensors takes minutes.
        if args.no_compile or len(shapes) > 32:
            report.skip(f"torch.compile {name}", "--no-compile, or too many tensors")
        else:
            report.attempt(f"torch.compile {name}", compiled)

    def count():
        for row, call in to_count:
            row["kernels"] = count_kernels(call)
        report.write()

    if device.type == "cuda":
        report.attempt("counting launches", count)


if __name__ == "__main__":
    main()
