#!/usr/bin/env python3
"""What Hugging Face's transformers and PEFT make of a model and an adapter.

    python3 transformers_outputs.py JOBS

JOBS is a JSON file of a list of jobs. "base" is a folder with config.json and model.safetensors of
a BertModel or a CLIPModel, which "model" names. Jobs, by "do":

* "outputs": those of the model, with the adapter in the folder "adapter" if there is one.
* "make": puts an adapter of "config" (arguments of LoraConfig) on the model, gives its tensors
  random values, and the modules that are saved along, saves it in the folder "adapter", and tells
  its outputs.

Outputs go to the file "out" as JSON: of a BertModel the hidden states of "ids" but for padding, of
a CLIPModel the features of "pixels" and "ids", and the logits.
"""

import json
import pathlib
import sys
import warnings

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import BertModel, CLIPModel

torch.set_num_threads(1)


def load(job):
    kind = {"bert": BertModel, "clip": CLIPModel}[job["model"]]
    model, info = kind.from_pretrained(
        job["base"], output_loading_info=True, local_files_only=True, attn_implementation="eager"
    )
    assert model.dtype == torch.float32
    for key in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[key], info
    return model.eval()


def with_adapter(model, folder):
    """As a user loads an adapter; every tensor must have arrived."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(model, folder)
    messages = [str(warning.message) for warning in caught]
    assert not any("missing" in message for message in messages), messages
    parameters = {
        name.replace(".default", "").removesuffix(".weight"): value
        for name, value in model.named_parameters()
        if "lora_" in name
    }
    written = load_file(pathlib.Path(folder) / "adapter_model.safetensors")
    written = {name.removesuffix(".weight"): value for name, value in written.items()}
    assert parameters.keys() == written.keys(), parameters.keys() ^ written.keys()
    for name, value in written.items():
        assert torch.equal(parameters[name], value), name
    return model.eval()


def make(job, model):
    model = get_peft_model(model, LoraConfig(**job["config"]))
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                noise = torch.randn(value.shape, generator=generator)
                near = "magnitude" in name or "modules_to_save" in name
                value.copy_(value * (1 + noise / 10) if near else noise / 5)
    model.save_pretrained(job["adapter"])
    return model.eval()


def padded(ids):
    longest = max(map(len, ids))
    values = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
    return {"input_ids": values, "attention_mask": mask}


def outputs(job, model):
    with torch.no_grad():
        texts = padded(job["ids"])
        if job["model"] == "bert":
            hidden = model(**texts).last_hidden_state
            return {"hidden": hidden[texts["attention_mask"] == 1].flatten().tolist()}
        side = model.config.vision_config.image_size
        pixels = torch.tensor(job["pixels"]).reshape(-1, 3, side, side)
        both = model(pixel_values=pixels, **texts)
        features = {
            "images": both.image_embeds,
            "texts": both.text_embeds,
            "logits": both.logits_per_image,
        }
        return {name: value.flatten().tolist() for name, value in features.items()}


def main():
    for job in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        model = load(job)
        if job["do"] == "make":
            model = make(job, model)
        elif job.get("adapter"):
            model = with_adapter(model, job["adapter"])
        pathlib.Path(job["out"]).write_text(json.dumps(outputs(job, model)))


main()
