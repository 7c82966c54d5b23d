"""Golden adapters of dacapo-peft, written by Hugging Face PEFT.

    pip install torch peft "transformers<5"
    python peft.py

writes beside this script: a folder for each adapter, as PEFT's save_pretrained leaves it;
peft.json with what PEFT makes of each (kinds, ranks, scalings, every value by its bits); and
matching.json with which modules PEFT adapts, and by which pattern, for many configurations.
The versions used are in peft.json.
"""

import json
import os
import pathlib
import shutil
import struct
import sys
import warnings

# The order of a set of names, in which PEFT writes target_modules, depends on it.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, *sys.argv])

# Beside a file of its name, `import peft` would find this one.
sys.path = [path for path in sys.path if path != str(pathlib.Path(__file__).parent)]

import peft
import safetensors.torch
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import AuxiliaryTrainingWrapper, get_pattern_key
from torch import nn

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent
WEIGHTS = "adapter_model.safetensors"


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.q = nn.Linear(4, 3)
        self.v = nn.Linear(4, 5, bias=False)


class Tree(nn.Module):
    """A layer of every kind that LoRA knows."""

    def __init__(self):
        super().__init__()
        self.tokens = nn.Embedding(7, 4)
        self.layers = nn.ModuleList([Block(), Block()])
        self.conv1 = nn.Conv1d(2, 3, 3)
        self.conv2 = nn.Conv2d(2, 4, (3, 2), padding=1)
        self.conv3 = nn.Conv3d(2, 3, (1, 2, 3))
        self.norm = nn.LayerNorm(5)
        self.head = nn.Linear(5, 2)


def llama():
    config = transformers.LlamaConfig(
        vocab_size=6,
        hidden_size=4,
        intermediate_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
    )
    return transformers.LlamaForCausalLM(config)


def bits(tensor):
    tensor = tensor.detach().float().contiguous()
    return {"shape": list(tensor.shape), "bits": tensor.numpy().astype("<f4").tobytes().hex()}


def number(value):
    return struct.pack(">d", float(value)).hex()


def randomise(model, seed):
    """Values that no initialisation has, so that none can be mistaken for one."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if "lora_" in name or "modules_to_save" in name:
            with torch.no_grad():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))


def describe(model):
    layers, saved = {}, {}
    base = model.base_model.model
    for name, module in base.named_modules():
        if isinstance(module, LoraLayer):
            embedding = bool(module.lora_embedding_A)
            a = (module.lora_embedding_A if embedding else module.lora_A)["default"]
            b = (module.lora_embedding_B if embedding else module.lora_B)["default"]
            a, b = (x if embedding else x.weight for x in (a, b))
            layers[name] = {
                "kind": type(module).__name__,
                "a": bits(a),
                "b": bits(b),
                "rank": module.r["default"],
                "alpha": number(module.lora_alpha["default"]),
                "scaling": number(module.scaling["default"]),
            }
            if module.use_dora["default"]:
                layers[name]["magnitude"] = bits(module.lora_magnitude_vector["default"].weight)
        if isinstance(module, AuxiliaryTrainingWrapper):
            for key, value in module.modules_to_save["default"].state_dict().items():
                saved[f"{name}.{key}"] = bits(value)
    return {"layers": layers, "saved": saved}


def loaded(name, model):
    """What PEFT finds in the file: it sorts pattern tables when it saves, and the first counts."""
    torch.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        made = PeftModel.from_pretrained(model(), HERE / name)
    caught = [str(warning.message) for warning in caught]
    assert not any("missing" in message for message in caught), caught
    EXPECTED[name] = describe(made)
    return made


def save(name, config, model=Tree, **options):
    """An adapter of a fresh model."""
    torch.manual_seed(0)
    made = get_peft_model(model(), config)
    randomise(made, len(EXPECTED))
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    made.save_pretrained(folder, **options)
    (folder / "README.md").unlink()
    return loaded(name, model)


def change(name, source, change, load=True):
    """The adapter `source`, its tensors changed."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / source, folder)
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    tensors = change(tensors)
    safetensors.torch.save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    if load:
        loaded(name, Tree)


def renamed(old, new):
    def rename(tensors):
        renamed = {key.replace(old, new): value for key, value in tensors.items()}
        assert renamed.keys() != tensors.keys()
        return renamed

    return rename


def without_prefix(tensors):
    return {key.removeprefix("base_model.model."): value for key, value in tensors.items()}


def halves(tensors):
    types = [torch.float16, torch.bfloat16, torch.float32]
    items = sorted(tensors.items())
    return {key: value.to(types[i % 3]) for i, (key, value) in enumerate(items)}


EXPECTED = {}


def adapters():
    every = ["q", "v", "head"]
    save("lora", LoraConfig(r=2, lora_alpha=3, target_modules=["q", "v"], lora_dropout=0.1))
    save("dora", LoraConfig(r=2, lora_alpha=4, target_modules=["q", "v"], use_dora=True))
    save("rslora", LoraConfig(r=3, lora_alpha=5, target_modules=["q"], use_rslora=True))
    patterns = {
        "rank_pattern": {"layers.1.q": 1, "^layers.0.v": 3, "q|head": 4},
        "alpha_pattern": {"v": 7, r"layers\.\d+\.q": 2.5, "layers.1.q": 100},
    }
    save("rank_pattern", LoraConfig(r=2, lora_alpha=6, target_modules=every, **patterns))
    save(
        "dora_rslora_patterns",
        LoraConfig(
            r=2, lora_alpha=6, target_modules=every, use_dora=True, use_rslora=True, **patterns
        ),
    )
    convolutions = ["conv1", "conv2", "conv3"]
    save("conv", LoraConfig(r=2, target_modules=convolutions))
    save("conv_dora", LoraConfig(r=2, target_modules=convolutions, use_dora=True))
    save("embedding", LoraConfig(r=2, target_modules=["tokens"]))
    save("embedding_dora", LoraConfig(r=2, target_modules=["tokens"], use_dora=True))
    save("modules_to_save", LoraConfig(r=2, target_modules=["q"], modules_to_save=["head", "norm"]))
    save("regex", LoraConfig(r=1, target_modules=r"layers\.(0|1)\.[qv]", exclude_modules=["1.v"]))
    save("all_linear", LoraConfig(r=1, target_modules="all-linear"))
    indices = {"layers_to_transform": [1], "layers_pattern": ["layers"]}
    save("layers", LoraConfig(r=1, target_modules=["q", "v"], **indices))
    save(
        "classification",
        LoraConfig(r=1, target_modules=["q_proj"], task_type="SEQ_CLS"),
        model=lambda: transformers.LlamaForSequenceClassification(llama().config),
    )
    # PEFT saves an embedding's weight with its adapter.
    made = save(
        "base_layer", LoraConfig(r=2, target_modules=["embed_tokens", "v_proj"]), model=llama
    )
    embedding = made.base_model.model.model.embed_tokens.base_layer.weight
    EXPECTED["base_layer"]["saved"]["model.embed_tokens.weight"] = bits(embedding)
    save("bin", LoraConfig(r=2, target_modules=["q"], use_dora=True), safe_serialization=False)
    magnitude = "lora_magnitude_vector"
    change("magnitude_weight", "dora", renamed(magnitude, f"{magnitude}.weight"))
    change("magnitude_default", "dora", renamed(magnitude, f"{magnitude}.default.weight"))
    change("half", "modules_to_save", halves)
    # PEFT loads this only into a model that it did not wrap.
    change("without_prefix", "dora", without_prefix, load=False)
    EXPECTED["without_prefix"] = EXPECTED["dora"]


MODULES = [
    "q",
    "v_q",
    "layers.0.q",
    "layers.1.q",
    "layers.10.q",
    "layers.1.v",
    "layers.1.experts.3.q",
    "model.layers.2.attention.q",
    "model.layers.2.attention.q.inner",
    "model.blocks.4.q",
    "model.layersX2.q",
    "h.3.q",
    "head",
    "model.head",
    "model.head.dense.q",
    "model.subhead.q",
    "ünit.1.q",
    "ünit.١.q",
]

SELECTIONS = [
    {"target_modules": ["q"]},
    {"target_modules": ["q", "head", "1.v"]},
    {"target_modules": ["layers.1.q", "attention.q"]},
    {"target_modules": ["yers.1.q"]},
    {"target_modules": ".*q"},
    {"target_modules": "q|head"},
    {"target_modules": r"layers\.\d+\.(q|v)"},
    {"target_modules": r"(?i)MODEL\..*\.Q"},
    {"target_modules": r"\w+\.[^.]+\.q"},
    {"target_modules": "layers"},
    {"target_modules": ["q"], "exclude_modules": ["layers.1.q", "attention.q"]},
    {"target_modules": ["q"], "exclude_modules": r"layers\.1.*"},
    {"target_modules": ".*q", "exclude_modules": "layers"},
    {"target_modules": ["q", "head"], "modules_to_save": ["head"]},
    {"target_modules": ".*", "modules_to_save": ["model.head", "layers.1"]},
    {"target_modules": ".*", "modules_to_save": ["h..d", "experts|v"]},
    {"target_modules": ["q"], "layers_to_transform": [1]},
    {"target_modules": ["q"], "layers_to_transform": 2},
    {"target_modules": ["q"], "layers_to_transform": [3, 10]},
    {"target_modules": ["q", "layers.0.q"], "layers_to_transform": [2, 4]},
    {"target_modules": ["q"], "layers_to_transform": [1, 2], "layers_pattern": "layers"},
    {"target_modules": ["q"], "layers_to_transform": [2, 3, 4], "layers_pattern": ["h", "blocks"]},
    {"target_modules": ["q"], "layers_to_transform": [2, 4], "layers_pattern": "layers|blocks"},
    {"target_modules": ["q"], "layers_to_transform": [3], "layers_pattern": ["experts"]},
    {"target_modules": ["q"], "layers_to_transform": [2], "layers_pattern": "(layers|blocks)"},
    {"target_modules": ["q"], "layers_to_transform": []},
]

PATTERNS = [
    ["q"],
    ["layers.1.q", "q"],
    ["q", "layers.1.q"],
    ["^q"],
    ["^layers.1.q", "1.q"],
    [r"layers\.1\.q", "layers.10.q"],
    ["layers.1.q$"],
    ["q|head"],
    ["q)|(head"],
    [".*"],
    ["l.*"],
    [r"model\.layers\.\d.*"],
    ["ayers.1.q"],
    ["(layers|blocks).[24].*q"],
    ["ünit.1.q", r"\w+.\d.q"],
    ["missing", "[vh].*", ".*q"],
    [r"layers\.1\.q", r"^model\.head$", "^h.3.q"],
    ["layers.10", "layers.1..", ".q", "..q", "^.*q"],
    ["model.layers.2.q", r"model.layers.2\_q", "model.layers.2", "model.layers..2.q"],
    ["a.b", r"layers\d2.q", "modeltlayers.2.attention.q"],
]


def sharing():
    """Tensors that are views of one storage, more of them than the file has bytes for."""
    values = torch.ones(600, 1)
    names = [f"base_model.model.q{i}.lora_{side}.weight" for i in range(4) for side in "AB"]
    torch.save({name: values for name in names}, HERE / "sharing.bin")


def matching():
    selections = []
    for selection in SELECTIONS:
        config = LoraConfig(r=1, lora_alpha=1, **selection)
        found = [bool(check_target_module_exists(config, module)) for module in MODULES]
        selections.append({"settings": selection, "targets": found})
    patterns = []
    for keys in PATTERNS:
        found = [get_pattern_key(keys, module) for module in MODULES]
        found = [keys.index(key) if key in keys else None for key in found]
        patterns.append({"keys": keys, "found": found})
    return {"modules": MODULES, "selections": selections, "patterns": patterns}


def dump(name, value):
    text = json.dumps(value, indent=1, ensure_ascii=False)
    (HERE / name).write_text(text + "\n", encoding="utf-8")


adapters()
VERSIONS = {
    "peft": peft.__version__,
    "torch": torch.__version__,
    "transformers": transformers.__version__,
    "safetensors": safetensors.__version__,
}
dump("peft.json", {"versions": VERSIONS, "adapters": EXPECTED})
dump("matching.json", matching())
sharing()
