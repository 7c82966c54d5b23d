"""What the generators beside this file share with dora.py."""

import json
import pathlib

import torch

from dora import plain


def write(stem, cases, run, check):
    """Writes what `run` computes of `cases`, each checked by `check` if peft is
    installed."""
    try:
        import peft as package

        peft_version = package.__version__
    except ImportError:
        peft_version = None
    written, checked = [], 0
    for case in cases:
        out = run(case)
        if peft_version:
            checked += check(case, out)
        written.append({k: plain(v) for k, v in case.items()})
        written[-1]["expected"] = {k: plain(v) for k, v in out.items()}
    document = {
        "generator": f"{stem}.py",
        "torch": torch.__version__,
        "peft": peft_version,
        "checked_against_peft": checked,
        "cases": written,
    }
    path = pathlib.Path(__file__).with_name(f"{stem}.json")
    path.write_text(json.dumps(document) + "\n")
    print(f"{path.name}: {len(written)} cases, {checked} checked against peft {peft_version}")
