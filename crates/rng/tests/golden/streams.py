"""Golden values of dacapo-rng from independent implementations.

PCG-64 is NumPy's, BLAKE3 the `blake3` package's, the mask generator NumPy
integers written after Salmon et al. (SC11); only the key derivation is restated
from the crate's documentation.

    pip install numpy==2.4.6 blake3==1.0.11
    python streams.py > streams.json
"""

import json
import math
import sys

import blake3
import numpy as np

MASK32, MASK64, MASK128 = (1 << 32) - 1, (1 << 64) - 1, (1 << 128) - 1


def string(text):
    data = text.encode()
    return len(data).to_bytes(8, "little") + data


def derive(context, message):
    return blake3.blake3(message, derive_key_context=context).digest()


def stream_key(seed, name, index=None):
    tail = b"\0" if index is None else b"\1" + index.to_bytes(8, "little")
    return derive("dacapo-rng v1 stream key", seed.to_bytes(8, "little") + string(name) + tail)


def micro_batch_key(seed, name, step, micro_batch):
    tail = b"\2" + step.to_bytes(8, "little") + micro_batch.to_bytes(4, "little")
    return derive("dacapo-rng v1 stream key", seed.to_bytes(8, "little") + string(name) + tail)


class Stream:
    def __init__(self, key):
        word = lambda i: int.from_bytes(key[16 * i : 16 * i + 16], "little")
        increment = word(1) | 1
        # pcg_setseq_128_srandom, as rand_pcg's `from_seed` does it.
        multiplier = 0x2360ED051FC65DA44385DF649FCCF645
        state = ((word(0) + increment) * multiplier + increment) & MASK128
        self.bits = np.random.PCG64()
        self.bits.state = {
            "bit_generator": "PCG64",
            "state": {"state": state, "inc": increment},
            "has_uint32": 0,
            "uinteger": 0,
        }

    def draw(self):
        return int(self.bits.random_raw())

    def below(self, n):
        while True:
            product = self.draw() * n
            if product & MASK64 >= (1 << 64) % n:
                return product >> 64

    def uniform(self):
        return (self.draw() >> 11) * 2.0**-53

    def normal(self):
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(math.tau * self.uniform())


def permutation(seed, name, epoch, length):
    stream, order = Stream(stream_key(seed, name, epoch)), list(range(length))
    for last in range(length - 1, 0, -1):
        chosen = stream.below(last + 1)
        order[last], order[chosen] = order[chosen], order[last]
    return order


def philox(key, counter):
    k, c = list(key), list(counter)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK32, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK32]
        k = [(k[0] + 0x9E3779B9) & MASK32, (k[1] + 0xBB67AE85) & MASK32]
    return c


def dropped(seed, name, step, micro_batch, path, rate, length):
    root = derive(
        "dacapo-rng v1 dropout key",
        seed.to_bytes(8, "little")
        + string(name)
        + step.to_bytes(8, "little")
        + micro_batch.to_bytes(4, "little"),
    )
    key = derive("dacapo-rng v1 mask key", root + string(path))
    w = [int.from_bytes(key[4 * i : 4 * i + 4], "little") for i in range(4)]
    threshold = round(rate * 2.0**32)
    words = [philox(w[:2], [i // 4, 0, w[2], w[3]])[i % 4] for i in range(length)]
    return [i for i, word in enumerate(words) if word < threshold]


def main():
    registered = Stream(stream_key(42, "init"))
    raw = [registered.draw() for _ in range(8)]
    far = Stream(stream_key(42, "init"))
    far.bits.advance(1 << 40)
    normals = Stream(stream_key(42, "init"))
    json.dump(
        {
            "versions": {
                "python": sys.version.split()[0],
                "numpy": np.__version__,
                "blake3": blake3.__version__,
            },
            "init_42_key": stream_key(42, "init").hex(),
            "init_42": [str(x) for x in raw],
            "init_42_at_2_pow_40": str(far.draw()),
            "init_42_index_0": str(Stream(stream_key(42, "init", 0)).draw()),
            "init_42_step_3_micro_1": str(Stream(micro_batch_key(42, "init", 3, 1)).draw()),
            "init_42_normals": [normals.normal() for _ in range(8)],
            "shuffle_7_epoch_3_of_20": permutation(7, "shuffle", 3, 20),
            "dropped_7_step_5_micro_1_blocks_0": dropped(
                7, "dropout", 5, 1, "blocks.0.attn.out_proj", 0.25, 64
            ),
        },
        sys.stdout,
        indent=1,
    )
    print()


main()
