#!/usr/bin/env python3
"""Golden values of `Clip`: Hugging Face's CLIPModel in PyTorch float64.

    python3 clip.py    # writes clip.json, clip_hf.safetensors, clip_openai.{safetensors,pth}

A small CLIP with random weights that f16 holds exactly, once as Hugging Face stores it (f32) and
once as OpenAI does (f16), and with it: features, logits, the loss against targets, the gradients
of DoRA adapters of the researchers' form on three output projections, and 50 AdamW steps.
"""

import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPConfig, CLIPModel

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
FOLDER = pathlib.Path(__file__).resolve().parent

IMAGE, PATCH, CONTEXT, VOCABULARY, EMBED = 12, 4, 9, 40, 10
VISION = dict(hidden_size=16, intermediate_size=28, num_hidden_layers=3, num_attention_heads=2)
TEXT = dict(hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3)
IMAGES, STEPS = 4, 50
RANK, ALPHA = 3, 6.0
# The last two blocks of the image transformer and the last of the text transformer.
ADAPTED = ["visual.blocks.1", "visual.blocks.2", "text.blocks.1"]


def f16_exact(generator, *shape, spread=0.3, around=0.0):
    values = torch.randn(shape, generator=generator, dtype=torch.float64) * spread + around
    return values.half().double()


class DoraLayer(nn.Module):
    """The researchers' layer: D = W/||W|| + s (delta_D_B delta_D_A)^T, m D / (||D|| + 1e-8)."""

    def __init__(self, linear, generator):
        super().__init__()
        self.bias = linear.bias.detach()
        weight = linear.weight.detach()
        # By output, a row of PyTorch's [out, in].
        norm = weight.norm(dim=1, keepdim=True)
        self.direction = weight / norm
        d_out, d_in = weight.shape
        self.m = nn.Parameter(norm[:, 0].clone())
        self.lora_a = nn.Parameter(f16_exact(generator, RANK, d_in))
        self.lora_b = nn.Parameter(f16_exact(generator, d_out, RANK))

    def forward(self, x):
        v = self.direction + ALPHA / RANK * (self.lora_b @ self.lora_a)
        weight = self.m[:, None] * v / (v.norm(dim=1, keepdim=True) + 1e-8)
        return nn.functional.linear(x, weight, self.bias)


def openai_name(name):
    """OpenAI's name of a tensor of Hugging Face's, or None for the parts of in_proj."""
    for old, new in [
        ("vision_model.embeddings.class_embedding", "visual.class_embedding"),
        ("vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight"),
        ("vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"),
        ("vision_model.pre_layrnorm.", "visual.ln_pre."),
        ("vision_model.post_layernorm.", "visual.ln_post."),
        ("visual_projection.weight", "visual.proj"),
        ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
        ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
        ("text_model.final_layer_norm.", "ln_final."),
        ("text_projection.weight", "text_projection"),
        ("vision_model.encoder.layers.", "visual.transformer.resblocks."),
        ("text_model.encoder.layers.", "transformer.resblocks."),
        (".self_attn.out_proj.", ".attn.out_proj."),
        (".layer_norm1.", ".ln_1."),
        (".layer_norm2.", ".ln_2."),
        (".mlp.fc1.", ".mlp.c_fc."),
        (".mlp.fc2.", ".mlp.c_proj."),
    ]:
        name = name.replace(old, new)
    return None if "_proj." in name and "self_attn" in name else name


def as_openai(state):
    result = {}
    for name, value in state.items():
        new = openai_name(name)
        if new is None:
            continue
        result[new] = value.T if name in ("visual_projection.weight", "text_projection.weight") else value
    for tower, blocks in (("vision_model", "visual.transformer"), ("text_model", "transformer")):
        layers = {n.split(".")[3] for n in state if n.startswith(f"{tower}.encoder.layers.")}
        for layer in layers:
            for kind in ("weight", "bias"):
                parts = [
                    state[f"{tower}.encoder.layers.{layer}.self_attn.{part}_proj.{kind}"] for part in "qkv"
                ]
                result[f"{blocks}.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(parts)
    return result


def main():
    generator = torch.Generator().manual_seed(7)
    config = CLIPConfig(
        projection_dim=EMBED,
        vision_config=dict(image_size=IMAGE, patch_size=PATCH, **VISION),
        text_config=dict(
            max_position_embeddings=CONTEXT, vocab_size=VOCABULARY, bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1, **TEXT,
        ),
        attn_implementation="eager",
    )
    model = CLIPModel(config).double().eval().requires_grad_(False)
    for name, value in model.named_parameters():
        around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        value.copy_(f16_exact(generator, *value.shape, around=around))
    model.logit_scale.fill_(1.5)

    state = {n: v for n, v in model.state_dict().items() if not n.endswith("position_ids")}
    save_file({n: v.float().contiguous() for n, v in state.items()}, FOLDER / "clip_hf.safetensors")
    openai = {n: v.half().contiguous() for n, v in as_openai(state).items()}
    save_file(openai, FOLDER / "clip_openai.safetensors")
    # As in the state dict of OpenAI's archives.
    sizes = {"input_resolution": IMAGE, "context_length": CONTEXT, "vocab_size": VOCABULARY}
    openai.update({name: torch.tensor(size) for name, size in sizes.items()})
    torch.save(openai, FOLDER / "clip_openai.pth")

    images = f16_exact(generator, IMAGES, 3, IMAGE, IMAGE, spread=1.0)
    texts = [[VOCABULARY - 2, 3, 17, VOCABULARY - 1], [VOCABULARY - 2, 30, VOCABULARY - 1],
             [VOCABULARY - 2, 5, 6, 7, 8, 9, 10, 11, VOCABULARY - 1]]
    tokens = torch.tensor([text + [0] * (CONTEXT - len(text)) for text in texts])
    targets = f16_exact(generator, IMAGES, len(texts), spread=2.0)

    def unit(found):
        return found / found.norm(dim=-1, keepdim=True)

    def forward():
        seen, read = model.get_image_features(images), model.get_text_features(tokens)
        logits = model.logit_scale.exp() * unit(seen) @ unit(read).T
        return seen, read, logits

    seen, read, logits = forward()
    theirs = model(input_ids=tokens, pixel_values=images).logits_per_image
    assert torch.allclose(logits, theirs, rtol=1e-12)
    plain = {
        "image_features": seen.flatten().tolist(),
        "text_features": read.flatten().tolist(),
        "logits": logits.flatten().tolist(),
    }

    layers = {}
    for path in ADAPTED:
        tower, _, block = path.split(".")
        tower = model.vision_model if tower == "visual" else model.text_model
        attention = tower.encoder.layers[int(block)].self_attn
        layers[f"{path}.attn.out_proj"] = attention.out_proj = DoraLayer(attention.out_proj, generator)

    def tensors(of):
        names = {"magnitude": "m", "lora_a": "lora_a", "lora_b": "lora_b"}
        return {
            f"{path}.adapter.{ours}": of(getattr(layer, name)).flatten().tolist()
            for path, layer in layers.items() for ours, name in names.items()
        }

    start = tensors(lambda p: p.detach())
    parameters = [p for layer in layers.values() for p in layer.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=3e-3, foreach=False)
    losses, first = [], None
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(forward()[2], targets)
        loss.backward()
        losses.append(loss.item())
        if first is None:
            first = {"gradients": tensors(lambda p: p.grad), "logits": forward()[2].flatten().tolist()}
        optimizer.step()

    out = {
        "generator": "tests/golden/clip.py",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "image_size": IMAGE, "patch_size": PATCH, "context": CONTEXT, "vocabulary": VOCABULARY,
        "d_embed": EMBED, "vision": list(VISION.values()), "text": list(TEXT.values()),
        "rank": RANK, "alpha": ALPHA, "lr": 3e-3,
        "images": images.flatten().tolist(), "texts": texts, "targets": targets.flatten().tolist(),
        "plain": plain, "adapters": start, "adapted": first, "losses": losses,
        "trained": tensors(lambda p: p.detach()),
    }
    target = FOLDER / "clip.json"
    target.write_text(json.dumps(out, indent=1) + "\n")
    print(target.name, target.stat().st_size, "bytes; loss", losses[0], "->", losses[-1])


if __name__ == "__main__":
    main()
