#!/usr/bin/env python3
"""Writes ridge.json: what scikit-learn's RidgeCV makes of small tables.

    pip install numpy scikit-learn
    python ridge.py               # writes ridge.json beside this file

The penalty is chosen by leaving one sample out at a time. Inputs are short dyadic fractions.
"""

import json
import pathlib

import numpy
import sklearn
from sklearn.linear_model import RidgeCV

ALPHAS = [0.01, 0.1, 1.0, 10.0, 100.0]


def table(state, rows, columns):
    values = []
    for _ in range(rows * columns):
        state[0] = (state[0] * 6364136223846793005 + 1442695040888963407) % 2**64
        values.append(((state[0] >> 55) - 256) / 256)
    return numpy.array(values).reshape(rows, columns)


def case(seed, samples, width, outputs, noise):
    state = [seed]
    x, truth = table(state, samples, width), table(state, width, outputs)
    y = x @ truth + noise * table(state, samples, outputs) + 3.0
    others = table(state, 5, width)
    model = RidgeCV(alphas=ALPHAS).fit(x, y)
    return {
        "width": width,
        "inputs": x.ravel().tolist(),
        "targets": y.ravel().tolist(),
        "others": others.ravel().tolist(),
        "alpha": float(model.alpha_),
        "predictions": model.predict(others).ravel().tolist(),
    }


def main():
    document = {
        "generator": "ridge.py",
        "numpy": numpy.__version__,
        "scikit-learn": sklearn.__version__,
        "alphas": ALPHAS,
        "cases": [case(1, 30, 4, 3, 0.1), case(2, 12, 9, 2, 2.0), case(3, 40, 6, 1, 8.0)],
    }
    path = pathlib.Path(__file__).with_name("ridge.json")
    path.write_text(json.dumps(document) + "\n")
    print(path.name, [case["alpha"] for case in document["cases"]])


if __name__ == "__main__":
    main()
