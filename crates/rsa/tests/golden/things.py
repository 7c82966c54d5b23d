"""Golden values of dacapo-rsa on the behavioural data of THINGS, which is not here.

    pip install numpy==2.4.6 scipy==1.17.1
    python things.py FOLDER > things.json

FOLDER holds the 48 held-out targets and the reference matrix, as things.rs says.
"""

import csv
import hashlib
import json
import pathlib
import sys

import numpy
import scipy
from scipy import stats

TARGETS = "spose_embedding66d_rescaled_48val_reordered.csv"
REFERENCE = "RDM48_triplet.mat"


def main():
    folder = pathlib.Path(sys.argv[1])
    with open(folder / TARGETS, newline="") as file:
        rows = list(csv.reader(file))[1:]
    values = numpy.array([[float(field) for field in row[2:]] for row in rows])
    reference = scipy.io.loadmat(folder / REFERENCE)["RDM48_triplet"]
    below = numpy.tril_indices(len(values), -1)
    cases = []
    # All 66 dimensions, and fewer of them for a p above the smallest f64.
    for dimensions in [66, 24, 12, 6, 3]:
        rdm = 1 - numpy.corrcoef(values[:, :dimensions])
        found = stats.spearmanr(rdm[below], reference[below])
        cases.append({"dimensions": dimensions, "rho": found.statistic, "p": found.pvalue})
    golden = {
        "versions": {
            "python": sys.version.split()[0],
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
        },
        "sha256": {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
            for name in [TARGETS, REFERENCE]
        },
        "cases": cases,
    }
    json.dump(golden, sys.stdout, indent=1)
    print()


main()
