"""Golden images of dacapo-things from Pillow, golden values from torchvision.

    pip install pillow==12.0.0 torch==2.15.0 torchvision==0.29.2
    python images.py

Not with Pillow 13: it resizes first along columns where the height shrinks more than the
width, which changes values by up to 1. All before it resize first along rows.

It writes the folder images/ and images.json beside itself. All pictures are synthetic.
"""

import io
import json
import pathlib
import struct
import sys

import numpy
import PIL
import torch
import torchvision
from PIL import Image
from torchvision import transforms

HERE = pathlib.Path(__file__).parent
MEAN = (0.52997664, 0.48070561, 0.41943838)
STD = (0.27608301, 0.26593025, 0.28238822)

# Width, height, side: larger and smaller, odd, one side alone, none at all.
SIZES = [
    (61, 37, 24),
    (37, 61, 24),
    (17, 90, 32),
    (5, 3, 16),
    (100, 99, 7),
    (24, 24, 24),
    (33, 24, 24),
    (24, 33, 24),
    (1, 1, 5),
    (1, 80, 9),
    (47, 48, 1),
    (23, 25, 24),
]


def noise(seed, width, height, channels=3):
    drawn = numpy.random.default_rng(seed).integers(0, 256, (height, width, channels))
    return drawn.astype(numpy.uint8)


def smooth(width, height):
    """Gradients with edges, which pack well."""
    y, x = numpy.mgrid[0:height, 0:width]
    red = x * 255 // (width - 1)
    green = y * 255 // (height - 1)
    blue = numpy.where((x // 40 + y // 56) % 2 == 0, 230, 30)
    return numpy.stack([red, green, blue], axis=2).astype(numpy.uint8)


def resized(image, side):
    return transforms.Resize((side, side))(image.convert("RGB"))


def save(image, name):
    image.save(HERE / "images" / name, optimize=True)


def resize_cases():
    cases = []

    def case(name, image, side):
        save(image, f"{name}.png")
        # As a dataset reads it: from the file.
        save(resized(Image.open(HERE / "images" / f"{name}.png"), side), f"{name}_resized.png")
        cases.append({"name": name, "side": side})

    for seed, (width, height, side) in enumerate(SIZES):
        case(f"noise_{width}x{height}", Image.fromarray(noise(seed, width, height)), side)
    case("black_and_white", Image.fromarray(255 * (noise(20, 41, 30) // 128)), 16)
    case("large", Image.fromarray(smooth(640, 427)), 224)
    case("small", Image.fromarray(smooth(97, 151)), 224)
    case("grey", Image.fromarray(noise(21, 31, 20)).convert("L"), 16)
    case("bits", Image.fromarray(noise(22, 31, 20)).convert("1"), 16)
    case("palette", Image.fromarray(noise(23, 31, 20)).quantize(16), 16)
    case("alpha", Image.fromarray(noise(24, 31, 20, 4), "RGBA"), 16)
    case("grey_alpha", Image.fromarray(noise(25, 31, 20, 2), "LA"), 16)
    return cases


def jpeg_cases():
    """Square JPEG files, and what Pillow reads from them."""
    cases = []
    pictures = {
        "colours": Image.fromarray(smooth(75, 75)),
        "grey": Image.fromarray(smooth(75, 75)).convert("L"),
    }
    kinds = {
        "444": {"subsampling": 0},
        "420": {"subsampling": 2},
        "422": {"subsampling": 1},
        "progressive": {"progressive": True},
        "restarts": {"restart_marker_blocks": 3},
    }
    for picture, image in pictures.items():
        for kind, options in kinds.items():
            name = f"jpeg_{picture}_{kind}"
            file = io.BytesIO()
            image.save(file, "JPEG", quality=90, **options)
            (HERE / "images" / f"{name}.jpg").write_bytes(file.getvalue())
            read = Image.open(io.BytesIO(file.getvalue())).convert("RGB")
            save(read, f"{name}_read.png")
            cases.append({"name": name, "side": read.width})
    return cases


def refused():
    """Valid files that the crate does not read."""
    picture = Image.fromarray(noise(30, 12, 9))
    picture.convert("CMYK").save(HERE / "images" / "refused_cmyk.jpg")
    deep = Image.fromarray(noise(31, 12, 9)[:, :, 0].astype(numpy.uint16) * 257)
    save(deep, "refused_16_bits.png")
    picture.save(HERE / "images" / "refused_webp.webp", lossless=True)


def bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def normalised():
    """Every value of a byte in every channel, as the bits of an f32."""
    every = numpy.repeat(numpy.arange(256, dtype=numpy.uint8).reshape(16, 16, 1), 3, axis=2)
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    batch = chain(Image.fromarray(every))
    assert batch.dtype == torch.float32
    return [bits(value) for value in batch.ravel().tolist()]


def main():
    (HERE / "images").mkdir(exist_ok=True)
    refused()
    golden = {
        "versions": {
            "python": sys.version.split()[0],
            "numpy": numpy.__version__,
            "pillow": PIL.__version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        "resize": resize_cases(),
        "jpeg": jpeg_cases(),
        "normalised": normalised(),
    }
    with open(HERE / "images.json", "w") as file:
        json.dump(golden, file)
        file.write("\n")


main()
