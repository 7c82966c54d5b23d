"""Golden values of dacapo-record: a sealed file and a state hash, both written
from the crate's documentation alone.

    pip install blake3==1.0.11 msgpack==1.2.4
    python formats.py > formats.json
"""

import json
import struct
import sys

import blake3
import msgpack

STATE = {
    "metadata": {"format": "golden", "version": "1"},
    "item": {
        "none": None,
        "flag": True,
        "step": 2**64 - 1,
        "offset": -3,
        "loss": 0.25,
        "name": "run",
        "key": b"\x01\x02",
        "map": {},
        "list": [],
        "history": [{"loss": -0.0}],
        "weight": {
            "bytes": struct.pack("<6f", *range(6)),
            "shape": [2, 3],
            "dtype": "F32",
        },
        "mask": {"bytes": b"\x00\x01", "shape": [2], "dtype": {"Bool": "Native"}},
    },
}


def seal(payload):
    trailer = b"\x89DACAPO\n" + struct.pack("<I3H6xQ", 1, 0, 1, 0, len(payload))
    trailer += blake3.blake3(payload).digest()
    return payload + trailer + blake3.blake3(trailer[8:]).digest()[:16]


def run(data):
    return struct.pack("<Q", len(data)) + data


def leaves(path, value):
    if isinstance(value, dict) and set(value) == {"bytes", "shape", "dtype"}:
        dtype = value["dtype"]
        if isinstance(dtype, dict):
            ((variant, inner),) = dtype.items()
            dtype = f"{variant}({inner})"
        shape = value["shape"]
        content = run(dtype.encode()) + struct.pack(f"<{1 + len(shape)}Q", len(shape), *shape)
        yield path, b"\x09" + content + run(value["bytes"])
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(f"{path}[{index}]", inner)
    elif value is None:
        yield path, b"\x00"
    elif isinstance(value, bool):
        yield path, b"\x01" + bytes([value])
    elif isinstance(value, int):
        yield path, b"\x02" + value.to_bytes(16, "little", signed=True)
    elif isinstance(value, float):
        yield path, b"\x04" + struct.pack("<d", value)
    elif isinstance(value, str):
        yield path, b"\x05" + run(value.encode())
    elif isinstance(value, bytes):
        yield path, b"\x06" + run(value)
    else:
        yield path, b"\x07" if value == {} else b"\x08"


def main():
    payload = msgpack.packb(STATE)
    hasher = blake3.blake3(derive_key_context="dacapo-record v1 state hash")
    found = sorted(leaves("", STATE), key=lambda leaf: leaf[0].encode())
    for path, content in found:
        hasher.update(run(path.encode()) + content)
    json.dump(
        {
            "versions": {
                "python": sys.version.split()[0],
                "blake3": blake3.__version__,
                "msgpack": ".".join(map(str, msgpack.version)),
            },
            "payload": payload.hex(),
            "sealed": seal(payload).hex(),
            "paths": [path for path, _ in found],
            "state_hash": hasher.hexdigest(),
        },
        sys.stdout,
        indent=1,
    )
    print()


main()
