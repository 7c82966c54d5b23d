#!/usr/bin/env python3
"""Golden values of `Bert`: transformers' BertModel in PyTorch float64.

    python3 bert.py    # writes bert.json, bert_config.json and bert.safetensors

A small BERT with random weights that f16 holds exactly, stored as transformers stores it (f32), its
vocabulary that of bert_tokenizer.py. With it: ids, the last hidden states of a padded batch, the mean
over each sentence's tokens as sentence-transformers takes it, and of a weighted sum of these means the
gradients of all parameters, by their stable path and in its shape.
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, BertTokenizerFast

import formula

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
FOLDER = pathlib.Path(__file__).resolve().parent

SENTENCES = ["aardvark", "A photo of the dog and the wheels.", "hot dog", "ice-cream", "naïve café résumé"]
LAYER = {
    "attn.query": "attention.self.query",
    "attn.key": "attention.self.key",
    "attn.value": "attention.self.value",
    "attn.out_proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
NORMS = {"norm1": "attention.output.LayerNorm", "norm2": "output.LayerNorm"}


def f16_exact(generator, *shape, spread=0.3, around=0.0):
    values = torch.randn(shape, generator=generator, dtype=torch.float64) * spread + around
    return values.half().double()


def pooled(hidden, mask):
    """Pooling in sentence_transformers/models/Pooling.py, `pooling_mode_mean_tokens`."""
    expanded = mask.unsqueeze(-1).expand(hidden.size()).to(hidden.dtype)
    return (hidden * expanded).sum(1) / torch.clamp(expanded.sum(1), min=1e-9)


def gradients(model):
    """Of each parameter that the stable path names."""
    named = {name: value.grad for name, value in model.named_parameters()}
    out = {
        "embed.tokens": named["embeddings.word_embeddings.weight"],
        "embed.positions": named["embeddings.position_embeddings.weight"],
        "embed.token_type": named["embeddings.token_type_embeddings.weight"][0],
        "embed.norm.gamma": named["embeddings.LayerNorm.weight"],
        "embed.norm.beta": named["embeddings.LayerNorm.bias"],
    }
    for block in range(model.config.num_hidden_layers):
        theirs = f"encoder.layer.{block}"
        for ours, name in LAYER.items():
            out[f"blocks.{block}.{ours}.weight"] = named[f"{theirs}.{name}.weight"].T
            out[f"blocks.{block}.{ours}.bias"] = named[f"{theirs}.{name}.bias"]
        for ours, name in NORMS.items():
            out[f"blocks.{block}.{ours}.gamma"] = named[f"{theirs}.{name}.weight"]
            out[f"blocks.{block}.{ours}.beta"] = named[f"{theirs}.{name}.bias"]
    return {path: formula.summary(path, value) for path, value in sorted(out.items())}


def main():
    generator = torch.Generator().manual_seed(7)
    tokenizer = BertTokenizerFast(str(FOLDER / "bert_vocab.txt"), do_lower_case=True)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=40, max_position_embeddings=16, layer_norm_eps=1e-12,
        attn_implementation="eager",
    )
    model = BertModel(config).double().eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            around = 1.0 if "LayerNorm" in name and name.endswith("weight") else 0.0
            value.copy_(f16_exact(generator, *value.shape, around=around))
    (FOLDER / "bert_config.json").write_text(config.to_json_string())
    state = {n: v.float().contiguous() for n, v in model.state_dict().items() if not n.endswith("_ids")}
    save_file(state, FOLDER / "bert.safetensors", metadata={"format": "pt"})

    batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    hidden = model(**batch).last_hidden_state
    means = pooled(hidden, batch["attention_mask"])
    (means * formula.tensor("loss", *means.shape)).sum().backward()
    out = {
        "generator": "tests/golden/bert.py",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sentences": SENTENCES,
        "ids": [tokenizer(text).input_ids for text in SENTENCES],
        "hidden": hidden.flatten().tolist(),
        "pooled": means.flatten().tolist(),
        "gradients": gradients(model),
    }
    target = FOLDER / "bert.json"
    target.write_text(json.dumps(out, ensure_ascii=True).replace(', "', ',\n "') + "\n")
    print(target.name, target.stat().st_size, "bytes;", list(hidden.shape))


if __name__ == "__main__":
    main()
