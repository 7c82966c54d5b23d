"""What each benchmark table measures: its programs, and what a row of their JSON means."""

import os
from dataclasses import dataclass
from typing import Callable


@dataclass
class Context:
    """Where programs are and what they measure on."""

    python: str
    peers: str
    device: str
    quick: bool
    programs: str
    out: str

    def peer(self, script, *arguments, common=True):
        """A Python program beside this file."""
        command = [self.python, os.path.join(self.peers, script), "--json", "{json}"]
        if common:
            command += ["--device", self.device] + ["--quick"] * self.quick
        return [*command, *arguments]

    def ours(self, name, *arguments):
        """A Rust benchmark: where `cargo build` or `pack.sh` puts it."""
        places = [os.path.join(self.programs, name), os.path.join(self.programs, "benches", name)]
        program = next((place for place in places if os.path.exists(place)), places[0])
        return [program, "--json", "{json}", *arguments] + ["--quick"] * self.quick

    @property
    def dacapo(self):
        return os.path.join(self.programs, "dacapo")

    @property
    def burn_device(self):
        return "cuda:0" if self.device == "cuda" else "cpu"

    @property
    def kernels(self):
        return os.path.join(self.out, "kernels")


@dataclass
class Run:
    """One program. `points` gives of a row any number of (series, case, {metric: value}), and where
    it lies on an axis of growth."""

    name: str
    command: list
    points: Callable


@dataclass
class Spec:
    title: str
    # Metric and what it is, in the order of the tables.
    metrics: dict
    runs: Callable
    baseline: str = "dacapo"


TIMES = {
    "cold_us": "Device time, L2 cold, us",
    "warm_us": "Device time, L2 warm, us",
    "host_us": "Calls one after the other, launches included, us",
}


def times(row):
    return {metric: row["us"].get(metric) for metric in TIMES}


def merge(context):
    def points(row):
        if row["op"] not in ("forward", "forward+backward"):
            return []
        series = row["who"]
        if series == "dacapo":
            variant = row["variant"]
            # The peers' layout and gradient, products as the weight's type suggests.
            if not variant.startswith("[out, in]") or "detached" in variant or "tf32" in variant:
                return []
        out, in_ = row["shape"]
        kind = row["dtype"] if row["dtype"] == row["matmul"] else f"{row['dtype']} {row['matmul']}"
        return [(series, f"{out}x{in_} r{row['rank']} {kind} {row['op']}", times(row))]

    return [
        Run("dacapo", context.ours("merge_cuda", "--cache", context.kernels, "--budget", "120"), points),
        Run("pytorch", context.peer("merge_peers.py", "--budget", "240"), points),
    ]


def adamw(context):
    def points(row):
        return [(row["who"], f"{row['count']} tensors, {row['numbers']:,} numbers", times(row))]

    return [
        Run("dacapo", context.ours("adamw_cuda", "--cache", context.kernels), points),
        Run("pytorch", context.peer("adamw_peers.py"), points),
    ]


def step(context):
    def clip(row):
        values = {"ms": row["median_ms"], "gib": row["memory_gib"]}
        return [(row["who"], f"CLIP-HBA {row['precision']}", values)]

    def vit(row):
        who = row["who"]
        series = "dacapo" if who.startswith("dacapo") else f"{who}, {row['compile']}"
        values = {"ms": row["median_ms"], "gib": row.get("reserved_gib")}
        return [(series, f"ViT-L/14, DoRA on all blocks, {row['precision']}", values)]

    ours = context.ours(
        "vit_l_step", "--device", context.burn_device, "--flavours", "peft", "--cache", context.kernels,
        "--steps", "4",
    )
    theirs = ("--kinds", "peft,merged,peft lib", "--steps", "4")
    return [
        Run("clip-hba", context.peer("clip_hba_step.py", "--program", context.dacapo), clip),
        Run("vit-l-dacapo", ours, vit),
        Run("vit-l-pytorch", context.peer("vit_l_step.py", *theirs), vit),
    ]


def exactness(context):
    def points(row):
        values = {"ms": row["median_ms"], "gib": row["memory_gib"], "first_s": row["until_first_step_s"]}
        if row["who"] != "inexact":
            return [(row["who"], f"CLIP-HBA {row['precision']}", values)]
        # Burn multiplies f32 in the way that is fastest, so both stand beside it.
        series = "Burn's kernels, autotune, fusion"
        return [(series, f"CLIP-HBA {precision}", values) for precision in ("f32", "tf32")]

    inexact = context.ours("dacapo-inexact")[0]
    # An epoch has 23 steps, the last of fewer images.
    return [
        Run("exactness", context.peer(
            "clip_hba_step.py", "--program", context.dacapo, "--inexact", inexact, "--cache",
            context.kernels, "--kinds", "dacapo", "--precisions", "f32,tf32", "--steps", "22",
            "--timed", "20", "--budget", "1800",
        ), points),
    ]


def epoch(context):
    def points(row):
        return [(row["who"], f"CLIP-HBA {row['precision']}", {"s": row["epoch_s"], "gib": row["memory_gib"]})]

    kinds = "dacapo,original,batched,cached"
    return [
        Run("epoch", context.peer(
            "clip_hba_step.py", "--program", context.dacapo, "--epochs", "3", "--kinds", kinds, "--budget", "600",
        ), points),
    ]


def checkpoint(context):
    def ours(row):
        cost = row["checkpoint"]
        values = {
            "stall_ms": cost["stall_beside_ms"], "save_ms": cost["synchronous_ms"],
            "load_ms": cost["resume_ms"], "megabytes": cost["bytes"] / 1e6,
        }
        case = f"{row['tensors']} tensors, {row['numbers']:,} numbers"
        waited = {"stall_ms": cost["synchronous_ms"], "load_ms": cost["read_ms"]}
        return [
            ("dacapo", case, values),
            ("dacapo, waited for; file read and checked alone", case, waited),
        ]

    def theirs(row):
        values = {key: row.get(key) for key in ("stall_ms", "save_ms", "load_ms", "megabytes")}
        return [(row["who"], row["case"], values)]

    arguments = (
        "--device", context.burn_device, "--cache", context.kernels, "--flavours", "peft",
        "--precisions", "tf32" if context.device == "cuda" else "f32", "--steps", "2",
        "--stall-blocks", "5",
    )
    # A CPU has no time for the whole network; every block of it has the same tensors.
    if context.device == "cpu" and not context.quick:
        arguments += ("--blocks", "2", "--batch", "2")
    blocks = () if context.device == "cuda" else ("--blocks", "2")
    return [
        Run("dacapo", context.ours("vit_l_step", *arguments), ours),
        Run("pytorch", context.peer("checkpoint_peers.py", *blocks), theirs),
    ]


def growth(context):
    def points(row):
        return [(row["who"], f"{row['axis']} {row['at']}", {row["axis"]: row["median_ms"]}, row["at"])]

    return [
        Run("dacapo", context.peer("growth.py", "--program", context.dacapo), points),
        Run("pytorch", context.peer("growth.py"), points),
    ]


def transformer(context):
    def points(row):
        values = {"ms": row["median_ms"], "fastest_ms": row["fastest_ms"]}
        return [(row["who"], f"{row['threads']} threads", values)]

    return [
        Run("dacapo", context.peer("transformer_step.py", "--program", context.dacapo), points),
        Run("pytorch", context.peer("transformer_step.py"), points),
    ]


def ranks(context):
    def points(row):
        shards = "1 shard" if row["shards"] == 1 else f"{row['shards']} shards"
        who = "1 rank" if row["ranks"] == 1 else f"{row['ranks']} ranks"
        values = {
            "ms": row["median_ms"], "projected_ms": row.get("projected_ms"),
            "messages_ms": row.get("messages_ms"), "sent_mb": row.get("sent_mb_per_step"),
        }
        return [(f"{shards}, {who}", row["workload"], values)]

    cuda = context.device == "cuda"
    workloads = "clip-hba-256,clip-all" if cuda else "default,transformer"
    return [
        Run("ranks", context.peer(
            "ranks.py", "--program", context.dacapo, "--workloads", workloads,
            *(("--precision", "tf32", "--steps", "16", "--rounds", "1") if cuda else ()),
        ), points),
    ]


TABLES = {
    "merge": Spec("The DoRA merge and its gradients", TIMES, merge),
    "adamw": Spec("The AdamW step", TIMES, adamw),
    "step": Spec("A training step", {"ms": "Milliseconds", "gib": "Memory on the card, GiB"}, step),
    "exactness": Spec(
        "What exactness costs: a CLIP-HBA step",
        {
            "ms": "Milliseconds", "first_s": "Seconds until the first step is done, images read included",
            "gib": "Memory on the card, GiB",
        },
        exactness,
    ),
    "epoch": Spec(
        "A CLIP-HBA epoch: 1,445 training images, 361 validated",
        {"s": "Seconds", "gib": "Memory on the card, GiB"}, epoch,
    ),
    "checkpoint": Spec(
        "A checkpoint of the complete state",
        {
            "stall_ms": "What training waits for, ms", "save_ms": "Until it is on the disk, ms",
            "load_ms": "Until training can go on from it, ms", "megabytes": "Megabytes",
        },
        checkpoint,
    ),
    "growth": Spec(
        "How a step grows",
        {
            "batch": "Batch size", "rank": "Rank", "blocks": "Transformer blocks",
            "images": "Images in the data set", "checkpoints": "Checkpoints in the folder",
        },
        growth,
    ),
    "transformer": Spec(
        "A wider transformer on the CPU, every parameter trained",
        {"ms": "Milliseconds, median step", "fastest_ms": "Milliseconds, fastest step"},
        transformer,
    ),
    "ranks": Spec(
        "Virtual shards, and ranks that share them",
        {
            "ms": "Milliseconds a step", "projected_ms": "The same, projected",
            "messages_ms": "Of it, messages", "sent_mb": "Megabytes that a rank sends a step",
        },
        ranks,
        baseline="1 shard, 1 rank",
    ),
}
