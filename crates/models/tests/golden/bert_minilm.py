#!/usr/bin/env python3
"""Golden values of all-MiniLM-L6-v2 with its published weights: transformers in PyTorch float64.

    python3 bert_minilm.py FOLDER    # of the published files; writes bert_minilm.json

Of some names and sentences: ids, and of the mean over a sentence's tokens, before it is normalised, the
first eight numbers and the norm. And the CRC-32s of bert_tokenizer.py with the published vocabulary.
"""

import hashlib
import json
import pathlib
import sys

import tokenizers
import torch
import transformers
from transformers import AutoModel, AutoTokenizer

from bert import pooled
from bert_tokenizer import TEXTS, characters

torch.set_num_threads(1)

SENTENCES = [
    "aardvark", "abacus", "hot dog", "ice-cream cone", "bow tie", "chest of drawers", "crème brûlée",
    "T-shirt", "walkie talkie", "jack-o'-lantern", "x-ray", "yo-yo", "bat (animal)", "bat (sports)",
    "A photo of a small dog on the beach.", "This is an example sentence", "Each sentence is converted",
    "The quick brown fox jumps over the lazy dog; 3.1416 isn't exactly pi!",
    "Unfathomably multisyllabic antidisestablishmentarianism", "猫 is the Chinese character for cat.",
]


def main():
    folder = pathlib.Path(sys.argv[1])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").double().eval()
    batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        means = pooled(model(**batch).last_hidden_state, batch["attention_mask"])
    weights = (folder / "model.safetensors").read_bytes()
    ids = lambda texts: [{"text": text, "ids": tokenizer(text).input_ids} for text in texts]
    out = {
        "generator": "tests/golden/bert_minilm.py",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "sentences": SENTENCES,
        "begin": [mean[:8].tolist() for mean in means],
        "norm": [mean.norm().item() for mean in means],
        "tokens": ids([*SENTENCES, *TEXTS]),
    }
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    out["characters"] = characters(tokenizer.backend_tokenizer)
    target = pathlib.Path(__file__).resolve().with_suffix(".json")
    text = json.dumps(out, ensure_ascii=True)
    for key in ('"sentences"', '"begin"', '"norm"', '"tokens"', '"characters"', '{"text"'):
        text = text.replace(f" {key}", f"\n {key}")
    target.write_text(text + "\n")
    print(target.name, target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
