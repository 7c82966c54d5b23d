#!/usr/bin/env python3
"""What virtual shards cost, and what several ranks gain: training steps of `dacapo` under `mpirun`.

    python3 ranks.py --program DACAPO [--ranks 1,2,4] [--threads 1] [--workloads default,transformer]
    python3 ranks.py --program DACAPO --device cuda --workloads clip-hba,clip-hba-256,clip-all --ranks 1,2,4

`clip-hba` is the researchers' run (DoRA on the last blocks, the prefix kept), `-256` with that batch;
`clip-all` adapts every block, so that nothing is kept. `default` is the built-in run, `transformer` a wider
one. The program is one with the feature `mpi`. Each workload runs on one rank without shards and with eight,
then on as many ranks as asked for, each with --threads threads or a GPU of its own. The state after the
last step must be the same for all of one number of shards, or the script fails.

A step takes r + s V / N + m: what every rank does alike, the time of a shard for each of its V / N
shards, and its messages. m is measured: how long they travel once all ranks are there. r and s follow from
one rank and two; `projected_ms` is that sum.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

from peerlib import Report, between, common_arguments, device_of

SHARDS = 8
RUN = ["--json", "--epochs", "100000", "--set", "early_stopping.enabled=false"]
TRANSFORMER = [
    "--set", "model.base=random", "--set", "model.vit.d_model=256", "--set", "model.vit.heads=4",
    "--set", "model.vit.blocks=4", "--set", "model.vit.d_mlp=1024",
]


class Workload:
    """The arguments of `train`, and the folder to run in."""

    def __init__(self, name, args, folder):
        self.folder, self.steps = folder, args.steps
        if name == "default":
            self.arguments = RUN
        elif name == "transformer":
            self.arguments = [*RUN, *TRANSFORMER]
        elif name == "transformer-full":
            self.arguments = [*RUN, *TRANSFORMER, "--set", "adapt.mode=full"]
        else:
            self.arguments = clip_hba(name, args, folder)


def clip_hba(name, args, folder):
    import clip_hba_step as clip

    size = clip.Quick if args.quick else clip.Size
    kind, _, batch = name.partition("-")[2].partition("-")
    clip.write_inputs(size, args.program, folder)
    towers = {"visual": size.vision["num_hidden_layers"], "text": size.text["num_hidden_layers"]}
    first = {tower: 0 if kind == "all" else blocks - 1 for tower, blocks in towers.items()}
    if kind == "hba":
        first["visual"] -= 1
    blocks = [f"{tower}.blocks.{i}" for tower, count in towers.items() for i in range(first[tower], count)]
    with open(f"{folder}/{name}.toml", "w", encoding="utf-8") as file:
        file.write(clip.CONFIG.format(
            size=size, precision=args.precision, epochs=100000, vision=clip.toml_sizes(size.vision),
            text=clip.toml_sizes(size.text),
            targets=", ".join(f'"{block}.attn.out_proj"' for block in blocks),
        ))
    return [f"{name}.toml", *RUN, "--set", f"train.batch_size={batch or size.batch}"]


def run(workload, args, shards, ranks):
    """Seconds of each step but the first ones, and the summary."""
    out = tempfile.mktemp(dir=workload.folder)
    command = [args.program, "-vv", "train", *workload.arguments, "--out", out]
    command += ["--set", f"train.virtual_shards={shards}", "--stop-after-step", str(args.steps + args.warm_up)]
    command += ["--device", "cuda:local" if args.device == "cuda" else "cpu"]
    if args.share:
        command[-1] = "cuda:0"
    if ranks > 1:
        command = [*args.mpirun.split(), "-n", str(ranks), *command]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(args.threads)}
    with tempfile.TemporaryFile() as summary:
        running = subprocess.Popen(
            command, cwd=workload.folder, stdout=summary, stderr=subprocess.PIPE, text=True, env=environment
        )
        at, said = [], []
        for line in running.stderr:
            said.append(line)
            if " loss=" in line:
                at.append(time.perf_counter())
        if running.wait() != 0:
            raise RuntimeError("".join(said)[-500:].replace("\n", " "))
        summary.seek(0)
        return between(at)[-args.steps :], json.load(summary)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    common_arguments(parser, budget=600)
    parser.add_argument("--program", required=True, help="dacapo, built with the feature mpi")
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--threads", type=int, default=1, help="of each rank, on the CPU")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm-up", type=int, default=5, help="steps before them, which do not count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="f32", help="of the products of clip-hba")
    parser.add_argument("--workloads", default="default,transformer")
    parser.add_argument("--share", action="store_true", help="all ranks on the first GPU")
    parser.add_argument("--mpirun", default="mpirun --oversubscribe --bind-to none")
    args = parser.parse_args()
    args.program = os.path.abspath(args.program)
    report = Report("ranks", device_of(args.device), args.json, args.budget, args)
    report.data["machine"]["cores"] = os.cpu_count()
    ranks = [int(count) for count in args.ranks.split(",")]

    def measure(name):
        with tempfile.TemporaryDirectory() as folder:
            workload = Workload(name, args, folder)
            seconds, summaries = {}, {}
            cases = [(1, 1), *((SHARDS, count) for count in ranks)]
            # By turns, so that what else the machine does is shared.
            for _ in range(args.rounds):
                for case in cases:
                    taken, summary = run(workload, args, *case)
                    seconds.setdefault(case, []).extend(taken)
                    summaries.setdefault(case, []).append(summary)
            states = {s["state_hash"] for case in cases[1:] for s in summaries[case]}
            if len(states) != 1:
                raise SystemExit(f"{name}: the state depends on the ranks: {states}")
            rows(name, cases, seconds, summaries)

    def rows(name, cases, seconds, summaries):
        steps = args.steps + args.warm_up
        ms = {case: 1e3 * statistics.median(taken) for case, taken in seconds.items()}
        reports = {case: [r for s in told for r in s.get("ranks", [])] for case, told in summaries.items()}
        messages = {
            case: 1e3 * statistics.median(r["travel_seconds"] for r in told) / steps
            for case, told in reports.items() if told
        }
        two = (SHARDS, 2)
        if two in ms:
            shard = (ms[SHARDS, 1] - (ms[two] - messages[two])) / (SHARDS / 2)
            alike = ms[SHARDS, 1] - SHARDS * shard
        for case in cases:
            shards, count = case
            told = reports[case]
            more = {}
            if told:
                more["messages_ms"] = messages[case]
                more["sent_mb_per_step"] = max(r["sent_bytes"] for r in told) / steps / 1e6
                more["peak_mb_per_rank"] = max(r["peak_bytes"] for r in told) / 1e6
            if shards == SHARDS and two in ms:
                more["projected_ms"] = alike + shard * SHARDS / count + messages.get(case, 0.0)
            report.row(
                who="dacapo", workload=name, shards=shards, ranks=count, threads=args.threads,
                steps=len(seconds[case]), median_ms=ms[case], fastest_ms=1e3 * min(seconds[case]), **more,
            )

    for name in args.workloads.split(","):
        report.attempt(name, lambda: measure(name))
    print(json.dumps(report.data["machine"]))


if __name__ == "__main__":
    main()
