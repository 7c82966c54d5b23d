"""Puts adapters onto tiny models with Hugging Face PEFT, or makes some, and writes what their
layers compute.

    python adapters.py JOBS

JOBS is a JSON file of a list of jobs: "do" (load, inject or save), "model" (tree or bert),
"folder" (of the adapter, read or written), "out" (a file of safetensors to write) and, to save,
"config" (arguments of LoraConfig).

For each adapted or saved module `out` has the input `x`, the output `y`, the base's `weight` and
`bias`, and a convolution's `stride` and `padding`, each named `<module>|x` and so on.
"""

import json
import pathlib
import sys
import warnings

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model, inject_adapter_in_model
from peft import get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.utils import load_peft_weights
from peft.utils.other import ModulesToSaveWrapper
from safetensors.torch import load_file, save_file
from torch import nn

PREFIX = "base_model.model."


class Tree(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(11, 6)
        self.body = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 7, bias=False))
        self.conv = nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0))
        self.head = nn.Linear(7, 4)

    def forward(self, ids, image):
        return self.head(self.body(self.tokens(ids))), self.conv(image)


def tree():
    torch.manual_seed(1)
    return Tree(), {
        "ids": torch.randint(11, (3, 5)),
        "image": torch.randn(2, 2, 6, 5),
    }


def bert():
    torch.manual_seed(2)
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=10,
    )
    ids = torch.randint(20, (3, 7))
    return transformers.BertModel(config), {"input_ids": ids}


MODELS = {"tree": tree, "bert": bert}


def load(job, model):
    """As a user loads an adapter; every tensor must have arrived."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = PeftModel.from_pretrained(model, job["folder"])
    caught = [str(warning.message) for warning in caught]
    assert not any("missing" in message for message in caught), caught
    written = load_file(pathlib.Path(job["folder"]) / "adapter_model.safetensors")
    suffix = "lora_magnitude_vector.weight"
    written = {
        name.removesuffix(".weight") if name.endswith(suffix) else name: value
        for name, value in written.items()
    }
    arrived = get_peft_model_state_dict(made)
    assert arrived.keys() == written.keys(), arrived.keys() ^ written.keys()
    for name, value in written.items():
        assert torch.equal(arrived[name], value), name
    return made


def inject(job, model):
    """As transformers and diffusers load an adapter, without a wrapper."""
    config = LoraConfig.from_pretrained(job["folder"])
    made = inject_adapter_in_model(config, model)
    weights = load_peft_weights(job["folder"], device="cpu")
    weights = {name.removeprefix(PREFIX): value for name, value in weights.items()}
    result = set_peft_model_state_dict(made, weights)
    assert not result.unexpected_keys, result.unexpected_keys
    missing = [name for name in result.missing_keys if "lora_" in name]
    assert not missing, missing
    return made


def save(job, model):
    """Trained values for all that PEFT would train."""
    made = get_peft_model(model, LoraConfig(**job["config"]))
    generator = torch.Generator().manual_seed(3)
    for name, parameter in sorted(made.named_parameters()):
        if "lora_" in name or "modules_to_save" in name:
            with torch.no_grad():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    made.save_pretrained(job["folder"])
    return made


def record(model, inputs):
    """What goes into each adapted or saved module and what comes out."""
    out = {}

    def hook(name, layer):
        def keep(_module, args, output):
            out[f"{name}|x"] = args[0].float()
            out[f"{name}|y"] = output
            out[f"{name}|weight"] = layer.weight
            if getattr(layer, "bias", None) is not None:
                out[f"{name}|bias"] = layer.bias
            for key in ["stride", "padding"]:
                if hasattr(layer, key):
                    out[f"{name}|{key}"] = torch.tensor(getattr(layer, key)).float()

        return keep

    for name, module in model.named_modules():
        own = name.removeprefix(PREFIX)
        if isinstance(module, LoraLayer):
            module.register_forward_hook(hook(own, module.get_base_layer()))
        if isinstance(module, ModulesToSaveWrapper):
            module.register_forward_hook(hook(own, module.original_module))
    model.eval()
    with torch.no_grad():
        model(**inputs)
    return {name: value.detach().clone().contiguous() for name, value in out.items()}


def main():
    jobs = json.loads(pathlib.Path(sys.argv[1]).read_text())
    for job in jobs:
        model, inputs = MODELS[job["model"]]()
        made = {"load": load, "inject": inject, "save": save}[job["do"]](job, model)
        save_file(record(made, inputs), job["out"])


main()
