#!/usr/bin/env python3
"""What a complete checkpoint costs a PyTorch run: the state of ViT-L/14's DoRA adapters and AdamW.

    python3 checkpoint_peers.py [--json FILE] [--folder DIR] [--device cpu]

The 432 tensors of `adamw_peers.py`'s set `vit-l` after one step of AdamW, and what else a run needs to
go on: the scheduler, the states of Python's, NumPy's and PyTorch's generators, counters.

    torch.save            a dict of state dicts; the run waits until it is written
    torch.save, fsync     the same, to a temporary file, synced, renamed, the folder synced: as safe
                          against a power failure as dacapo's
    accelerate            Accelerator.save_state and load_state
    lightning             Trainer.save_checkpoint, which the run waits for; Lightning loads inside
                          `fit`, which is not timed

stall_ms is what training waits for: here all of the saving. load_ms ends when parameters and moments
are on the device again.
"""

import argparse
import os
import random
import statistics
import tempfile
import time
import warnings

import torch
from torch import nn

from adamw_peers import adapter, tensor_sets
from peerlib import Report, common_arguments, device_of


class Adapters(nn.Module):
    def __init__(self, shapes, device):
        super().__init__()
        generator = torch.Generator(device=device).manual_seed(7)
        self.tensors = nn.ParameterList(
            nn.Parameter(torch.randn(shape, device=device, generator=generator)) for shape in shapes
        )

    def forward(self):
        return sum((tensor * tensor).mean() for tensor in self.tensors)


class Training:
    """A run after its first step."""

    def __init__(self, shapes, device):
        self.device = device
        self.model = Adapters(shapes, device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4)
        self.scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, 1000)
        self.model().backward()
        self.optimizer.step()
        self.scheduler.step()

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def state(self):
        import numpy

        cuda = self.device.type == "cuda"
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "rng": {
                "python": random.getstate(), "numpy": numpy.random.get_state(),
                "torch": torch.get_rng_state(),
                "cuda": torch.cuda.get_rng_state_all() if cuda else [],
            },
            "epoch": 3, "step": 69, "best": 0.5, "patience": 2,
        }

    def load(self, path):
        state = torch.load(path, map_location=self.device, weights_only=False)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        random.setstate(state["rng"]["python"])
        torch.set_rng_state(state["rng"]["torch"].cpu())


def save(training, path):
    torch.save(training.state(), path)


def save_synced(training, path):
    partial = f"{path}.partial"
    with open(partial, "wb") as file:
        torch.save(training.state(), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def accelerate_pair(training, path):
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=training.device.type == "cpu")
    accelerator.prepare(training.model, training.optimizer, training.scheduler)
    return (lambda: accelerator.save_state(path)), (lambda: accelerator.load_state(path))


def lightning_save(training, path):
    import logging

    import lightning

    logging.getLogger("lightning").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.adapters = training.model

        def training_step(self, batch, _):
            return self.adapters()

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=1e-4)

    trainer = lightning.Trainer(
        max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="gpu" if training.device.type == "cuda" else "cpu",
        devices=1,
    )
    trainer.fit(Module(), torch.utils.data.DataLoader([0.0]))
    return lambda: trainer.save_checkpoint(path)


def size(path):
    if os.path.isfile(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(path) for name in names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common_arguments(parser, budget=120)
    parser.add_argument("--folder", help="where checkpoints go; a folder on the disk that counts")
    parser.add_argument("--blocks", type=int, default=24, help="of these, so many have adapters")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    device = device_of(args.device)
    report = Report("checkpoint_peers", device, args.json, args.budget, args)
    whole = tensor_sets(False)["vit-l"]
    shapes = adapter(40, 48, 4) if args.quick else whole[: len(whole) // 24 * args.blocks]
    repeats = 3 if args.quick else 7
    case = f"{len(shapes)} tensors, {sum(torch.Size(shape).numel() for shape in shapes):,} numbers"

    def timed(training, call):
        seconds = []
        for _ in range(repeats + 2):
            training.synchronize()
            start = time.perf_counter()
            call()
            training.synchronize()
            seconds.append(time.perf_counter() - start)
        return 1e3 * statistics.median(seconds[2:])

    def measure(who, prepare):
        def run():
            training = Training(shapes, device)
            path = os.path.join(folder, who.replace(" ", "-").replace(",", ""))
            saving, loading = prepare(training, path)
            save_ms = timed(training, saving)
            row = {"stall_ms": save_ms, "save_ms": save_ms, "megabytes": size(path) / 1e6}
            if loading:
                row["load_ms"] = timed(training, loading)
            report.row(who=who, case=case, **row)

        report.attempt(who, run)

    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        measure("torch.save", lambda t, p: ((lambda: save(t, p)), (lambda: t.load(p))))
        measure("torch.save, fsync", lambda t, p: ((lambda: save_synced(t, p)), (lambda: t.load(p))))
        measure("accelerate", accelerate_pair)
        measure("lightning", lambda t, p: (lightning_save(t, p), None))


if __name__ == "__main__":
    main()
