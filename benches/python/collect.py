#!/usr/bin/env python3
"""Makes one table of what `run.sh` measured.

    python3 collect.py FOLDER

Reads the JSON files of the parts in FOLDER and the tables that `tables.py` wrote there, as far as they
are there, writes summary.md and summary.json beside them, and prints summary.md. Needs Python only.
"""

import json
import os
import sys


def load(folder, name):
    path = os.path.join(folder, f"{name}.json")
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError as error:
        print(f"{path}: not whole ({error}), left out", file=sys.stderr)
        return None


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return lines


def figure(value):
    """Three significant digits, no exponent."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


UNITS = {"s": 1e3, "ms": 1.0, "\u00b5s": 1e-3, "ns": 1e-6}


def milliseconds(text):
    """Of a duration as Rust prints it."""
    number = text.rstrip("smn\u00b5")
    return float(number) * UNITS[text[len(number) :]]


def profile(folder, summary):
    """The last table of CubeCL's profile of a ViT-L step."""
    path = os.path.join(folder, "vit_profile.log")
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith("| Name ")]
    kernels = []
    for line in lines[heads[-1] + 2 :] if heads else []:
        # Names hold bars, too.
        cells = [cell.strip() for cell in line.strip().strip("|").rsplit("|", 3)]
        if len(cells) != 4:
            break
        kernels.append((cells[0], milliseconds(cells[1]), int(cells[2])))
    if not kernels:
        return []
    total = sum(ms for _, ms, _ in kernels)
    count = sum(n for _, _, n in kernels)
    summary += [{"part": "profile", "kernel": k, "ms": ms, "launches": n} for k, ms, n in kernels]
    rows = [
        [name.replace("|", "/")[:100], figure(ms), n, f"{100 * ms / total:.1f} %"]
        for name, ms, n in kernels[:20]
    ]
    return [
        "",
        f"Where one ViT-L step goes: {count} launches, {figure(total)} ms, each waited for, so that "
        "every launch carries some 10 us of waiting:",
        "", *table(["kernel", "ms", "launches", "share"], rows),
    ]


def exact(folder, summary):
    data = load(folder, "exact")
    if not data:
        return []
    summary.append({"part": "exact", "identity": data["identity"]})
    rows = []
    for row in data["rows"]:
        rows.append([row["case"], row["steps"], row["seconds"], row["two_processes"],
                     f"{row['stopped_at']}: {row['stopped_and_resumed']}"])
        summary.append({"part": "exact", **row})
    head = ["case", "steps", "s", "two processes", "stopped at, resumed"]
    return ["", "Exact to the bit (" + "; ".join(data["identity"]) + "):", "", *table(head, rows)]


def numbers(folder, summary):
    data = load(folder, "numbers")
    if not data:
        return []
    summary += [{"part": "numbers", **row} for row in data["rows"]]
    rows = [
        [row["case"], row["precision"], "yes" if row["same"] else "NO",
         f"{row['apart']:.1e}" if "apart" in row else row["error"]]
        for row in data["rows"]
    ]
    head = ["case", "precision", "as the CPU's", "relative difference at most"]
    return ["", "The first steps of runs:", "", *table(head, rows)]


def checks(folder, summary):
    lines = []
    tests, sanitizer = load(folder, "tests"), load(folder, "sanitizer")
    if tests:
        rows = [[r["binary"], r["result"], r["passed"], r["failed"]] for r in tests["rows"]]
        lines += ["", "Kernel tests:", "", *table(["binary", "result", "passed", "failed"], rows)]
        summary += [{"part": "tests", **r} for r in tests["rows"]]
    if sanitizer:
        rows = [[r["binary"], r["tool"], r["summary"]] for r in sanitizer["rows"]]
        lines += ["", "compute-sanitizer:", "", *table(["binary", "tool", "summary"], rows)]
        summary += [{"part": "sanitizer", **r} for r in sanitizer["rows"]]
    return lines


TABLES = ("merge", "adamw", "step", "epoch", "checkpoint", "growth")


def tables(folder, summary):
    lines = []
    for name in TABLES:
        data = load(folder, name)
        if not data:
            continue
        with open(os.path.join(folder, f"{name}.md"), encoding="utf-8") as file:
            lines += ["", *file.read().splitlines()]
        summary += [{"part": name, **figure} for figure in data["figures"]]
    return lines


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = sys.argv[1]
    summary, lines = [], []
    for part in (checks, numbers, exact, profile, tables):
        lines += part(folder, summary)
    steps = []
    path = os.path.join(folder, "parts.tsv")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            steps = [line.rstrip("\n").split("\t") for line in file]
        lines += ["", *table(["part", "step", "status", "s", "why"], steps)]
    text = "\n".join(lines) + "\n"
    with open(os.path.join(folder, "summary.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(folder, "summary.json"), "w", encoding="utf-8") as file:
        json.dump({"steps": steps, "rows": summary}, file, indent=1)
        file.write("\n")
    print(text, end="")


if __name__ == "__main__":
    main()
