#!/usr/bin/env python3
"""Makes one table of what `run.sh` measured.

    python3 collect.py FOLDER

Reads the JSON files of the parts in FOLDER, as far as they are there, writes summary.md and
summary.json beside them, and prints summary.md. A ratio is the peer's time over dacapo's: above 1,
dacapo is faster. Needs Python only.
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


def ratio(peer, ours):
    return None if peer is None or not ours else peer / ours


def with_ratio(peer, ours):
    if peer is None:
        return ""
    times = ratio(peer, ours)
    return figure(peer) + (f" ({figure(times)}x)" if times else "")


def rows_of(data):
    return data["rows"] if data else []


def bandwidth(*parts):
    """The faster of the measured device copies, in bytes a microsecond."""
    found = [part["copy_gb_per_s"] for part in parts if part and part.get("copy_gb_per_s")]
    return 1e3 * max(found) if found else None


MERGE_PEERS = ["pytorch eager", "pytorch f32 norm", "pytorch graph", "torch.compile",
               "torch.compile max-autotune", "peft merge", "peft norm"]
# Dense matrices that have to be moved: a forward pass reads W and writes W', a backward pass reads
# W and G.
DENSE = {
    "forward": 2, "norm": 1, "backward": 2, "forward+backward": 4, "dropout forward": 2,
    "dropout backward": 2,
}


def merge(folder, summary):
    ours, peers = load(folder, "merge_ours"), load(folder, "merge_peers")
    if not ours and not peers:
        return []
    speed = bandwidth(ours, peers)

    def key(row):
        return (*row["shape"], row["rank"], row["dtype"], row["matmul"], row["op"])

    mine = {}
    for row in rows_of(ours):
        mine.setdefault(key(row), []).append(row)
    theirs = {}
    for row in rows_of(peers):
        if row["op"] in DENSE:
            theirs.setdefault(key(row), {})[row["who"]] = row
    who = [name for name in MERGE_PEERS if any(name in found for found in theirs.values())]
    lines = []
    for title, time in (
        ("device time, L2 cold", "cold_us"),
        ("device time, L2 warm", "warm_us"),
        ("calls one after the other, launches included", "host_us"),
    ):
        rows = []
        for at in dict.fromkeys([*mine, *theirs]):
            out, in_, rank, dtype, matmul, op = at
            width = 4 if dtype == "f32" else 2
            floor = DENSE[op] * out * in_ * width / speed if speed else None
            found = theirs.get(at, {})
            for own in mine.get(at) or [None]:
                us = own["us"][time] if own else None
                rows.append([
                    f"{out}x{in_} r{rank}", dtype if dtype == matmul else f"{dtype} {matmul}",
                    op, own.get("variant", "") if own else "", figure(floor), figure(us),
                    f"{100 * floor / us:.0f} %" if us and floor and time == "cold_us" else "",
                    *[with_ratio(found[n]["us"][time] if n in found else None, us) for n in who],
                ])
                summary.append({
                    "part": "merge", "shape": [out, in_], "rank": rank, "dtype": dtype,
                    "matmul": matmul, "op": op, "time": time, "floor_us": floor, "dacapo_us": us,
                    "variant": own.get("variant") if own else None,
                    "peers_us": {n: found[n]["us"][time] for n in found},
                    "ratio": {n: ratio(found[n]["us"][time], us) for n in found} if us else {},
                })
        head = ["shape", "type", "op", "variant", "floor", "dacapo", "of floor", *who]
        lines += ["", f"DoRA merge, us, {title}:", "", *table(head, rows)]
    counted = [r for r in rows_of(ours) + rows_of(peers) if r.get("kernels") is not None]
    small = [r for r in counted if max(r["shape"]) <= 1024]
    if small:
        cells = {}
        for row in small:
            cell = cells.setdefault((tuple(row["shape"]), row["matmul"], row["op"]), {})
            name = " ".join(filter(None, [row["who"], row.get("variant", "")]))
            cell[name] = row["kernels"]
        names = list(dict.fromkeys(name for cell in cells.values() for name in cell))
        rows = [
            [f"{shape[0]}x{shape[1]}", matmul, op, *[cell.get(n, "") for n in names]]
            for (shape, matmul, op), cell in cells.items()
        ]
        lines += ["", "Launches of one call:", "", *table(["shape", "type", "op", *names], rows)]
    return lines


def adamw(folder, summary):
    ours, peers = load(folder, "adamw_ours"), load(folder, "adamw_peers")
    if not ours and not peers:
        return []
    speed = bandwidth(ours, peers)
    names = list(dict.fromkeys(r["tensors"] for r in rows_of(ours) + rows_of(peers)))
    who = list(dict.fromkeys(r["who"] for r in rows_of(ours) + rows_of(peers)))
    rows = []
    for name in names:
        found = {r["who"]: r for r in rows_of(ours) + rows_of(peers) if r["tensors"] == name}
        one = next(iter(found.values()))
        mine = found.get("dacapo")
        floor = one["floor_bytes"] / speed if speed else None
        for time in ("cold_us", "warm_us", "host_us"):
            us = mine["us"][time] if mine else None
            rows.append([
                f"{name} ({one['count']}, {one['numbers']} numbers)", time[:-3], figure(floor),
                *[
                    "" if w not in found
                    else figure(us) if w == "dacapo" else with_ratio(found[w]["us"][time], us)
                    for w in who
                ],
            ])
            summary.append({
                "part": "adamw", "tensors": name, "time": time, "floor_us": floor,
                "dacapo_us": us, "peers_us": {w: found[w]["us"][time] for w in found if w != "dacapo"},
            })
        rows.append(["", "launches", "", *[found.get(w, {}).get("kernels", "") for w in who]])
    return ["", "AdamW step, us:", "", *table(["tensors", "time", "floor", *who], rows)]


def vit(folder, summary):
    ours = rows_of(load(folder, "vit_ours"))
    both = ours + rows_of(load(folder, "vit_peers"))
    if not both:
        return []
    # The fastest of ours is what peers are compared with. The peer's `bf16 base` stores in bf16
    # what dacapo keeps in f32; its precision is bf16 all the same.
    mine = {}
    for row in sorted(ours, key=lambda r: -r["median_ms"]):
        mine[row["precision"]] = row
    rows = []
    for row in sorted(both, key=lambda r: (r["precision"].split()[0], r["median_ms"])):
        own = mine.get(row["precision"].split()[0])
        times = ratio(row["median_ms"], own["median_ms"]) if own and row is not own else None
        rows.append([
            row["precision"], row["who"], row["compile"], figure(row["median_ms"]),
            f"{times:.2f}" if times else "", figure(row.get("peak_gib")), figure(row.get("reserved_gib")), row["tensors"],
            row.get("state", "")[:16],
        ])
        summary.append({"part": "vit", "ratio": times, **row})
    head = ["precision", "who", "mode", "ms a step", "over dacapo's", "peak GiB", "reserved GiB",
            "tensors", "state"]
    return ["", "A training step of ViT-L/14, DoRA on all blocks:", "", *table(head, rows)]


def clip(folder, summary):
    both = rows_of(load(folder, "clip"))
    if not both:
        return []
    mine = {row["precision"]: row for row in both if row["who"] == "dacapo"}
    rows = []
    for row in sorted(both, key=lambda r: (r["precision"], r["median_ms"])):
        own = mine.get(row["precision"])
        times = ratio(row["median_ms"], own["median_ms"]) if own and row is not own else None
        rows.append([
            row["precision"], row["who"], figure(row["median_ms"]), f"{times:.2f}" if times else "",
            figure(row["memory_gib"]),
        ])
        summary.append({"part": "clip", "ratio": times, **row})
    head = ["precision", "who", "ms a step", "over dacapo's", "GiB on the card"]
    return ["", "A training step of CLIP-HBA, ViT-L/14:", "", *table(head, rows)]


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


def main():
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = sys.argv[1]
    summary, lines, facts = [], [], {}
    for name in ("merge_ours", "merge_peers", "adamw_ours", "adamw_peers", "vit_ours",
                 "vit_peers", "clip"):
        data = load(folder, name)
        if data:
            facts.update(data.get("machine", {}))
            if data.get("copy_gb_per_s"):
                facts[f"copy GB/s ({name})"] = round(data["copy_gb_per_s"])
    lines.append("; ".join(f"{key} {value}" for key, value in facts.items()))
    for part in (checks, exact, merge, adamw, vit, profile, clip):
        lines += part(folder, summary)
    steps = []
    path = os.path.join(folder, "parts.tsv")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            steps = [line.rstrip("\n").split("\t") for line in file]
        lines += ["", *table(["part", "step", "status", "s", "why"], steps)]
    for name in ("merge_peers", "adamw_peers", "vit_peers", "clip"):
        for left_out in (load(folder, name) or {}).get("skipped", []):
            lines.append(f"- {name}: {left_out['what']} left out: {left_out['why']}")
    text = "\n".join(lines) + "\n"
    with open(os.path.join(folder, "summary.md"), "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(folder, "summary.json"), "w", encoding="utf-8") as file:
        json.dump({"machine": facts, "steps": steps, "rows": summary}, file, indent=1)
        file.write("\n")
    print(text, end="")


if __name__ == "__main__":
    main()
