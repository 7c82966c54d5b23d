#!/usr/bin/env python3
"""Golden token ids of `ClipTokenizer`: open_clip's SimpleTokenizer (OpenAI's code) and Hugging
Face's CLIPTokenizerFast.

    python3 clip_tokenizer.py

Writes clip_merges.txt (a small vocabulary, learned here from a few words) and clip_tokens.json
(texts and their ids by both).
"""

import collections
import gzip
import json
import pathlib
import sys
import tempfile

import open_clip
import transformers
from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode
from transformers import CLIPTokenizer, CLIPTokenizerFast

FOLDER = pathlib.Path(__file__).resolve().parent
WORDS = (
    "metallic artificial food related animal plant textile round wood furniture outdoors "
    "electronic body-part sand white the a of photo things that fly fire heat red"
).split()
TEXTS = [
    "metallic/artificial", "food-related", "a photo of the animal", "  Two   spaces\tand\nlines ",
    "don't they'll it's I'm", "round 2x4 wood, 10 %!", "café naïve Ünïcode", "émoji 🙂 日本", "",
    "UPPER lower MiXed", "fire<heat>red & white",
]


def learn(count):
    """Byte pair merges of the words, most frequent first."""
    encoder = bytes_to_unicode()
    words = collections.Counter()
    for word in WORDS:
        symbols = [encoder[byte] for byte in word.encode()]
        symbols[-1] += "</w>"
        words[tuple(symbols)] += 1
    merges = []
    for _ in range(count):
        pairs = collections.Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = collections.Counter()
        for word, times in words.items():
            symbols, at = [], 0
            while at < len(word):
                if word[at : at + 2] == best:
                    symbols.append(word[at] + word[at + 1])
                    at += 2
                else:
                    symbols.append(word[at])
                    at += 1
            merged[tuple(symbols)] += times
        words = merged
    return merges


def main():
    merges = learn(80)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    text = "\n".join(lines) + "\n"
    (FOLDER / "clip_merges.txt").write_text(text)
    symbols = list(bytes_to_unicode().values())
    symbols += [symbol + "</w>" for symbol in symbols]
    symbols += ["".join(pair) for pair in merges] + ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with gzip.open(folder / "merges.gz", "wt") as file:
            # Their reader takes an empty last line for a merge.
            file.write(text.rstrip("\n"))
        (folder / "merges.txt").write_text(text)
        (folder / "vocab.json").write_text(json.dumps({s: i for i, s in enumerate(symbols)}))
        openai = SimpleTokenizer(str(folder / "merges.gz"))
        slow = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
        fast = CLIPTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
    cases = []
    for text in TEXTS:
        start, end = openai.encoder["<start_of_text>"], openai.encoder["<end_of_text>"]
        ids = [start, *openai.encode(text), end]
        theirs = fast(text).input_ids
        cases.append({"text": text, "openai": ids, "hugging_face": theirs})
        print(text, ids == theirs, ids == slow(text).input_ids)
    out = {
        "generator": "tests/golden/clip_tokenizer.py",
        "python": sys.version.split()[0],
        "open_clip": open_clip.__version__,
        "transformers": transformers.__version__,
        "cases": cases,
    }
    (FOLDER / "clip_tokens.json").write_text(json.dumps(out, indent=1, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
