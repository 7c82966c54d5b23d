#!/usr/bin/env python3
"""One benchmark table: measures dacapo and its peers by turns and writes JSON, Markdown and a plot.

    python3 tables.py TABLE [--out FOLDER] [--rounds N] [--device cuda|cpu] [--programs FOLDER]
                            [--quick] [--limit SECONDS]
    python3 tables.py --draw FOLDER/TABLE.json

Every round runs every program once, one after the other, so that what changes with the minutes
(clocks, neighbours) meets all of them alike. A program gives the median of its own repetitions,
after its own warm-up; the table has the median over the rounds, and in brackets the least and the
most. A ratio is the peer's time over dacapo's: above 1, dacapo is faster.

FOLDER/TABLE.json has every round's figure, the machine, the versions and the command,
FOLDER/TABLE.md the table, FOLDER/TABLE.svg the plot (it needs matplotlib; `--draw` makes it of the
JSON, elsewhere). What could not be measured is listed with its reason, never left out quietly.
"""

import argparse
import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time

from table_specs import TABLES, Context

HERE = os.path.dirname(os.path.abspath(__file__))


class Table:
    """What was measured so far; written after every program."""

    def __init__(self, name, spec, context, args):
        self.name, self.spec, self.args = name, spec, args
        self.path = os.path.join(args.out, name)
        self.data = {
            "table": name,
            "title": spec.title,
            "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
            "machine": machine(context),
            "command": "python3 benches/python/tables.py " + shlex.join(sys.argv[1:]),
            "baseline": spec.baseline,
            "metrics": spec.metrics,
            "figures": [],
            "missing": [],
        }

    def add(self, series, case, metric, value, at=None):
        for figure in self.data["figures"]:
            if (figure["series"], figure["case"], figure["metric"]) == (series, case, metric):
                figure["rounds"].append(value)
                return
        figure = {"series": series, "case": case, "metric": metric, "rounds": [value]}
        if at is not None:
            figure["at"] = at
        self.data["figures"].append(figure)

    def miss(self, what, why):
        entry = {"what": what, "why": why}
        if entry not in self.data["missing"]:
            self.data["missing"].append(entry)
            print(f"-- missing: {what}: {why}", flush=True)

    def write(self):
        write(f"{self.path}.json", json.dumps(self.data, indent=1) + "\n")
        write(f"{self.path}.md", markdown(self.data))


def write(path, text):
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(partial, path)


def machine(context):
    facts = {"cpu": processor(), "cores": os.cpu_count(), "python": platform.python_version()}
    if context.device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        try:
            shown = subprocess.check_output(query, text=True).splitlines()[0]
            facts["gpu"], facts["driver"] = shown.split(", ")
        except (OSError, subprocess.CalledProcessError, IndexError, ValueError):
            facts["gpu"] = "none that nvidia-smi shows"
    return facts


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def measure(table, context, args):
    folder = os.path.join(args.out, f"{table.name}-rounds")
    os.makedirs(folder, exist_ok=True)
    end = time.monotonic() + args.limit
    for number in range(1, args.rounds + 1):
        for run in table.spec.runs(context):
            left = end - time.monotonic()
            if left < 10:
                table.miss(f"round {number}: {run.name}", "the time is over (--limit)")
                continue
            base = os.path.join(folder, f"{number}-{run.name}")
            command = [part.replace("{json}", f"{base}.json") for part in run.command]
            print(f"-- round {number}: {run.name}", flush=True)
            if os.path.exists(f"{base}.json"):
                os.remove(f"{base}.json")
            why = call(command, f"{base}.log", left)
            if why:
                table.miss(f"round {number}: {run.name}", why)
            take(table, run, f"{base}.json")
            table.write()


def call(command, log, seconds):
    """Why it failed, if it did."""
    try:
        with open(log, "w", encoding="utf-8") as file:
            done = subprocess.run(command, stdout=file, stderr=file, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} s (--limit)"
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    if done.returncode == 0:
        return None
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().strip().splitlines() or ["no output"]
    return f"exit code {done.returncode}: {lines[-1][:200]}"


def take(table, run, path):
    """The figures of one program's JSON; also of one that was stopped."""
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (FileNotFoundError, ValueError):
        return
    for key, value in data.get("machine", {}).items():
        if "none" not in str(value):
            table.data["machine"].setdefault(key, value)
    for left_out in data.get("skipped", []):
        table.miss(f"{run.name}: {left_out['what']}", left_out["why"])
    for row in data["rows"]:
        for series, case, values, *at in run.points(row):
            for metric, value in values.items():
                if value is not None:
                    table.add(series, case, metric, value, *at)


def number(value):
    """Three significant digits, no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def middle(figure):
    return statistics.median(figure["rounds"])


def spread(figure):
    least, most = min(figure["rounds"]), max(figure["rounds"])
    text = number(middle(figure))
    return text if number(least) == number(most) else f"{text} ({number(least)} to {number(most)})"


def markdown(data):
    facts = ", ".join(f"{key} {value}" for key, value in data["machine"].items())
    rounds = max((len(figure["rounds"]) for figure in data["figures"]), default=0)
    taken = "one round" if rounds == 1 else f"medians of {rounds} rounds (least to most)"
    lines = [
        f"### {data['title']}", "", f"{data['date']}; {facts}.", f"`{data['command']}`: {taken}.", "",
    ]
    baseline = data["baseline"]
    for metric, title in data["metrics"].items():
        figures = [figure for figure in data["figures"] if figure["metric"] == metric]
        if not figures:
            continue
        cases = list(dict.fromkeys(figure["case"] for figure in figures))
        series = list(dict.fromkeys(figure["series"] for figure in figures))
        series.sort(key=lambda name: name != baseline)
        cells = {(figure["case"], figure["series"]): figure for figure in figures}
        lines += [f"{title}:", "", "| | " + " | ".join(series) + " |", "|---" * (1 + len(series)) + "|"]
        for case in cases:
            own = cells.get((case, baseline))
            row = []
            for name in series:
                figure = cells.get((case, name))
                text = spread(figure) if figure else ""
                if figure and own and name != baseline and middle(own) > 0:
                    text += f"; {number(middle(figure) / middle(own))}x"
                row.append(text)
            lines.append(f"| {case} | " + " | ".join(row) + " |")
        lines.append("")
    if data["missing"]:
        lines += ["Not measured:", ""]
        lines += [f"- {entry['what']}: {entry['why']}" for entry in data["missing"]]
        lines.append("")
    return "\n".join(lines)


def draw(data, path):
    """Bars with least and most for cases, lines for growth; one panel a metric."""
    try:
        import matplotlib
    except ImportError:
        print("no plot: matplotlib is missing; `tables.py --draw` makes it elsewhere")
        return
    matplotlib.use("svg")
    # Small files, the same for the same figures.
    matplotlib.rcParams.update({"svg.hashsalt": "dacapo", "svg.fonttype": "none"})
    from matplotlib import pyplot

    metrics = [
        metric for metric in data["metrics"]
        if any(figure["metric"] == metric for figure in data["figures"])
    ]
    if not metrics:
        return
    panels = []
    for metric in metrics:
        figures = [figure for figure in data["figures"] if figure["metric"] == metric]
        cases = list(dict.fromkeys(figure["case"] for figure in figures))
        panels.append((metric, figures, cases))
    height = [max(2.0, 0.28 * len(figures)) for _, figures, _ in panels]
    lines = any("at" in figure for figure in data["figures"])
    sizes = dict(figsize=(9, 3.2 * len(panels))) if lines else dict(
        figsize=(9, sum(height) + 0.9 * len(panels)), height_ratios=height
    )
    canvas, axes = pyplot.subplots(len(panels), 1, squeeze=False, layout="constrained", **sizes)
    for axis, (metric, figures, cases) in zip(axes[:, 0], panels):
        series = list(dict.fromkeys(figure["series"] for figure in figures))
        for at, name in enumerate(series):
            chosen = [figure for figure in figures if figure["series"] == name]
            values = [middle(figure) for figure in chosen]
            errors = [
                [value - min(figure["rounds"]) for value, figure in zip(values, chosen)],
                [max(figure["rounds"]) - value for value, figure in zip(values, chosen)],
            ]
            if lines:
                axis.errorbar([f["at"] for f in chosen], values, errors, marker="o", label=name)
                axis.set_xscale("log", base=2)
            else:
                width = 0.8 / len(series)
                places = [cases.index(figure["case"]) + width * at for figure in chosen]
                axis.barh(places, values, width, xerr=errors, label=name)
        if lines:
            axis.set_xlabel(data["metrics"][metric])
            axis.set_ylabel("ms a step")
            axis.set_ylim(bottom=0)
        else:
            axis.set_yticks([at + 0.4 for at in range(len(cases))], cases, fontsize=8)
            axis.invert_yaxis()
            # Bars from 0, unless most of them could not be seen then.
            middles = [middle(figure) for figure in figures]
            if max(middles) > 50 * min(middles) > 0:
                axis.set_xscale("log")
            axis.set_xlabel(data["metrics"][metric])
        axis.legend(fontsize=8)
    facts = data["machine"]
    canvas.suptitle(f"{data['title']}\n{facts.get('gpu', facts.get('cpu'))}, {data['date']}", fontsize=10)
    canvas.savefig(path, metadata={"Date": None})
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = "; ".join(f"{name}: {spec.title}" for name, spec in TABLES.items())
    parser.add_argument("table", nargs="?", choices=list(TABLES), metavar="TABLE", help=names)
    parser.add_argument("--draw", metavar="JSON", help="the table and the plot of what was measured")
    parser.add_argument("--out", default="results", metavar="FOLDER")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--programs", metavar="FOLDER", help="where dacapo and the benchmarks are")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    parser.add_argument("--limit", type=float, default=3600, metavar="SECONDS")
    args = parser.parse_args()
    if args.draw:
        with open(args.draw, encoding="utf-8") as file:
            data = json.load(file)
        base = args.draw.removesuffix(".json")
        write(f"{base}.md", markdown(data))
        draw(data, f"{base}.svg")
        return
    if not args.table:
        parser.error("name a table")
    target = os.path.join(HERE, "..", "..", "target", "release")
    context = Context(
        python=sys.executable, peers=HERE, device=args.device, quick=args.quick,
        programs=os.path.abspath(args.programs or target), out=os.path.abspath(args.out),
    )
    args.out = context.out
    os.makedirs(args.out, exist_ok=True)
    table = Table(args.table, TABLES[args.table], context, args)
    table.write()
    measure(table, context, args)
    draw(table.data, f"{table.path}.svg")
    with open(f"{table.path}.md", encoding="utf-8") as file:
        print(file.read())


if __name__ == "__main__":
    main()
