#!/usr/bin/env python3
"""Writes digits.bin.gz, the UCI optical handwritten digits, as dacapo-models reads it.

    python3 make_digits.py            # writes digits.bin.gz beside this file
    python3 make_digits.py --check    # exits 1 if the file differs from what would be written

Source: `sklearn.datasets.load_digits` (1,797 images of 8x8, values 0..16).
The layout is described in README.md. The gzip header carries no name and no
time, but zlib builds may compress differently: what must be equal is the
payload, whose BLAKE3 and SHA-256 stand in README.md.
"""

import gzip
import hashlib
import io
import pathlib
import struct
import sys

import numpy
import sklearn
from sklearn.datasets import load_digits

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE / "digits.bin.gz"


def payload() -> bytes:
    digits = load_digits()
    pixels = digits.data
    labels = digits.target
    assert pixels.shape == (1797, 64) and labels.shape == (1797,)
    assert numpy.array_equal(pixels, numpy.floor(pixels))
    assert pixels.min() == 0 and pixels.max() == 16
    assert sorted(set(labels.tolist())) == list(range(10))
    count, side = len(labels), 8
    header = b"DCDIGIT1" + struct.pack("<II", count, side)
    return header + labels.astype(numpy.uint8).tobytes() + pixels.astype(numpy.uint8).tobytes()


def main() -> int:
    data = payload()
    print(f"python {sys.version.split()[0]}, numpy {numpy.__version__}, scikit-learn {sklearn.__version__}")
    print(f"payload {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")
    if "--check" in sys.argv[1:]:
        same = gzip.decompress(TARGET.read_bytes()) == data
        print("equal" if same else f"{TARGET} holds another payload")
        return 0 if same else 1
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as out:
        out.write(data)
    TARGET.write_bytes(buffer.getvalue())
    print(f"{TARGET.name} {len(buffer.getvalue())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
