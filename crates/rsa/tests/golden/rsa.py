"""Golden values of dacapo-rsa from NumPy, SciPy and mpmath on synthetic data.

    pip install numpy==2.4.6 scipy==1.17.1 mpmath==1.3.0
    python rsa.py > rsa.json

All inputs are short decimals, so that every JSON reader gets the same numbers.
"""

import io
import json
import struct
import sys
import zlib

import mpmath
import numpy
import scipy
from scipy import special, stats

mpmath.mp.dps = 60


def predictions(seed, rows, columns):
    drawn = numpy.random.default_rng(seed).normal(size=(rows, columns))
    return numpy.round(drawn * 64) / 64


def lower(matrix):
    return matrix[numpy.tril_indices(len(matrix), -1)]


def square(triangle):
    size = int((1 + numpy.sqrt(1 + 8 * len(triangle))) / 2)
    matrix = numpy.zeros((size, size))
    matrix[numpy.tril_indices(size, -1)] = triangle
    return matrix + matrix.T


def rdm_case(seed, rows, columns):
    given = predictions(seed, rows, columns)
    return {
        "rows": rows,
        "columns": columns,
        "predictions": given.ravel().tolist(),
        "lower": lower(1 - numpy.corrcoef(given)).tolist(),
    }


def spearman_case(name, first, second):
    found = stats.spearmanr(first, second)
    return {
        "name": name,
        "first": square(first).ravel().tolist(),
        "second": square(second).ravel().tolist(),
        "rho": found.statistic,
        "p": found.pvalue,
    }


def spearman_cases():
    generator = numpy.random.default_rng(7)
    pairs = 48 * 47 // 2
    many = generator.integers(0, 6, pairs) / 4
    shared = generator.integers(0, 1000, pairs)
    noise = generator.integers(0, 1000, pairs)
    return [
        spearman_case("three objects", [0.5, 0.25, 1.0], [0.5, 0.75, 1.0]),
        spearman_case("ties", [0.5, 0.5, 1.0, 0.25, 0.5, 0.25], [1.5, 1.0, 1.0, 0.5, 0.0, 0.5]),
        spearman_case("negative", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [6.0, 5.0, 3.0, 4.0, 2.0, 2.0]),
        spearman_case("equal", [1.0, 2.0, 2.0, 4.0, 5.0, 6.0], [1.0, 2.0, 2.0, 4.0, 5.0, 6.0]),
        spearman_case("reversed", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]),
        spearman_case("48 objects, unrelated", noise / 500, many),
        spearman_case("48 objects, related", shared / 500, (shared + noise) / 500),
        spearman_case("48 objects, many ties", many, many + generator.integers(0, 8, pairs) / 4),
    ]


def p_cases():
    """SciPy's p as `spearmanr` computes it from rho, and the same to 60 digits."""
    rhos = [0.001, 0.05, 0.2, 0.4, 0.455, 0.49, 0.5, 0.6, 0.7, 0.74, 0.8, 0.9, 0.99, 0.9999]
    grid = [(pairs, rho) for pairs in [3, 6, 10, 45, 1128, 4950, 19900] for rho in rhos]
    cases = []
    # The last one: a thousand objects, where 1 - rho^2 must not be rounded first.
    for pairs, rho in [*grid, (499500, 0.05)]:
        degrees = pairs - 2
        t = rho * numpy.sqrt(degrees / ((rho + 1.0) * (1.0 - rho)))
        x = 1 - mpmath.mpf(rho) ** 2
        exact = mpmath.betainc(mpmath.mpf(degrees) / 2, 0.5, 0, x, regularized=True)
        if exact > 1e-300:
            scipys = 2 * special.stdtr(degrees, -t)
            cases.append({"pairs": pairs, "rho": rho, "scipy": scipys, "exact": float(exact)})
    return cases


def mat(variables, compressed):
    file = io.BytesIO()
    scipy.io.savemat(file, variables, do_compression=compressed)
    # Without the date.
    return (b"MATLAB 5.0 MAT-file".ljust(116) + file.getvalue()[116:]).hex()


def mat_by_hand(matrix, order, storage, compressed):
    """What SciPy does not write: big-endian files, and doubles stored as integers.

    `order` and `storage` are those of `struct`, "<" or ">" and "bBhHiId".
    """

    def element(kind, content):
        if 0 < len(content) <= 4:
            return struct.pack(order + "I", len(content) << 16 | kind) + content.ljust(4, b"\0")
        return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)

    kind = {"b": 1, "B": 2, "h": 3, "H": 4, "i": 5, "I": 6, "d": 9}[storage]
    numbers = matrix.T.ravel().tolist()
    if storage != "d":
        numbers = [int(number) for number in numbers]
    parts = [
        element(6, struct.pack(order + "II", 6, 0)),
        element(5, struct.pack(order + "ii", *matrix.shape)),
        element(1, b"rdm"),
        element(kind, struct.pack(f"{order}{len(numbers)}{storage}", *numbers)),
    ]
    whole = element(14, b"".join(parts))
    if compressed:
        packed = zlib.compress(whole)
        whole = struct.pack(order + "II", 15, len(packed)) + packed
    header = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "HH", 0x0100, 0x4D49)
    file = header + whole
    read = scipy.io.loadmat(io.BytesIO(file))["rdm"]
    assert numpy.array_equal(read, matrix), (order, storage)
    return file.hex()


def mat_cases():
    matrix = square([0.5, 0.25, 1.0, 0.125, 0.75, 0.625])
    asymmetric = matrix.copy()
    asymmetric[2, 0] = 0.3
    similarity = 1 - matrix
    unfinished = matrix.copy()
    unfinished[3, 1] = unfinished[1, 3] = numpy.nan
    rounded = matrix.copy()
    rounded[2, 0] += 1e-13
    rounded[1, 1] = -1e-16
    return {
        "plain": mat({"rdm": matrix}, False),
        "compressed": mat({"rdm": matrix}, True),
        "single": mat({"rdm": matrix.astype(numpy.float32)}, True),
        "two": mat({"rdm": matrix, "other": 2 * matrix}, True),
        "beside_text": mat({"note": "a text", "rdm": matrix, "list": numpy.array([1, "a"], dtype=object)}, True),
        "rounded": mat({"rdm": rounded}, True),
        "only_text": mat({"note": "a text"}, True),
        "asymmetric": mat({"rdm": asymmetric}, True),
        "similarity": mat({"rdm": similarity}, True),
        "nan": mat({"rdm": unfinished}, True),
        "oblong": mat({"rdm": matrix[:, :3]}, True),
        "complex": mat({"rdm": matrix + 0j}, True),
        "integers": mat({"rdm": matrix.astype(numpy.uint8)}, True),
        "two_objects": mat({"rdm": matrix[:2, :2]}, True),
        "big_endian": mat_by_hand(matrix, ">", "d", False),
        "big_endian_compressed": mat_by_hand(matrix, ">", "d", True),
        **{
            f"stored_{order}{storage}": mat_by_hand(8 * matrix, order, storage, True)
            for order in "<>"
            for storage in "bBhHiI"
        },
    }


def main():
    golden = {
        "versions": {
            "python": sys.version.split()[0],
            "numpy": numpy.__version__,
            "scipy": scipy.__version__,
            "mpmath": mpmath.__version__,
        },
        "rdm": [rdm_case(1, 3, 5), rdm_case(2, 5, 2), rdm_case(3, 48, 7)],
        "spearman": spearman_cases(),
        "p": p_cases(),
        "mat": mat_cases(),
    }
    json.dump(golden, sys.stdout)
    print()


main()
