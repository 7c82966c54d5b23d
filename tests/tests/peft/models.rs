//! A small BERT and a small CLIP with weights of their own, and runs of them.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use dacapo_tests::{GOLDEN_CLIP_SIZES, Sandbox, sandbox};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::json;

/// Type, shape and bytes of a tensor.
pub type Raw = (Dtype, Vec<usize>, Vec<u8>);

/// The tensors of a file of safetensors.
#[track_caller]
pub fn tensors(path: &Path) -> BTreeMap<String, Raw> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("a file of safetensors");
    let views = file.iter().map(|(name, view)| {
        let raw = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        (name.to_owned(), raw)
    });
    views.collect()
}

/// Writes tensors as PyTorch's programs expect them.
pub fn write_tensors(path: &Path, tensors: &BTreeMap<String, Raw>) {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor");
        (name, view)
    });
    let remarks = [("format".to_owned(), "pt".to_owned())].into();
    let bytes = safetensors::serialize(views, Some(remarks)).expect("a file");
    fs::write(path, bytes).expect("the folder can be written to");
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn targets() -> String {
    let names = [
        "aardvark",
        "cat",
        "dog",
        "ice_cream",
        "car",
        "cafe",
        "photo",
        "wheel",
        "hot_dog",
        "cats",
    ];
    let mut text = String::from(",image_name");
    for dimension in 0..66 {
        write!(text, ",{dimension}").expect("a string takes everything");
    }
    for (row, name) in names.iter().enumerate() {
        write!(text, "\n{row},{name}_01b.jpg").expect("a string takes everything");
        for dimension in 0..66 {
            let value = (row * 37 + dimension * 11) % 23;
            write!(text, ",{value}.5").expect("a string takes everything");
        }
    }
    text.push('\n');
    text
}

/// A kind of model, and what a run of it needs in `model.kind`'s section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bert,
    Clip,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Clip => "clip",
        }
    }

    /// A folder with the published model in `base`, as transformers saves it, and data.
    pub fn sandbox(self) -> Sandbox {
        let sandbox = sandbox!();
        let base = sandbox.path("base");
        fs::create_dir(&base).expect("a folder");
        fs::write(sandbox.path("targets.csv"), targets()).expect("written");
        let copy = |from: &str, to: &str| {
            fs::copy(golden(from), base.join(to)).expect("a golden file");
        };
        match self {
            Self::Bert => {
                for (from, to) in [
                    ("bert_config.json", "config.json"),
                    ("bert.safetensors", "model.safetensors"),
                    ("bert_vocab.txt", "vocab.txt"),
                ] {
                    copy(&format!("../crates/models/tests/golden/{from}"), to);
                }
            }
            Self::Clip => {
                let weights = tensors(&golden("golden/clip_hba/clip.safetensors"));
                write_tensors(&base.join("model.safetensors"), &weights);
                fs::write(base.join("config.json"), clip_config().to_string()).expect("written");
            }
        }
        sandbox
    }

    /// A run of two epochs on that model, with `adapt` as its section of that name.
    pub fn config(self, adapt: &str) -> String {
        let own = match self {
            Self::Bert => "[sentences]\nweights = \"base\"\ntargets = \"targets.csv\"\n".to_owned(),
            Self::Clip => {
                let (data, merges) = (
                    golden("golden/clip_hba"),
                    golden("../crates/models/tests/golden/clip_merges.txt"),
                );
                let (data, merges) = (data.display(), merges.display());
                format!(
                    r#"[clip]
weights = "base/model.safetensors"
merges = "{merges}"
prompts = "{data}/prompts.txt"
images = "{data}/images"
targets = "{data}/targets.csv"
{GOLDEN_CLIP_SIZES}"#
                )
            }
        };
        format!(
            "[model]\nkind = \"{}\"\n[data]\nname = \"things\"\n{own}{adapt}[optimizer]\nlr = \
             0.05\n[scheduler]\nkind = \"constant\"\n[train]\nepochs = 2\nbatch_size = 4\n",
            self.name()
        )
    }

    /// Such a run, trained, in the folder `run`.
    #[track_caller]
    pub fn trained(self, adapt: &str) -> Sandbox {
        let sandbox = self.sandbox();
        fs::write(sandbox.path("run.toml"), self.config(adapt)).expect("written");
        sandbox
            .run(["train", "run.toml", "--out", "run"])
            .expect_code(0);
        sandbox
    }
}

/// That of `clip.safetensors`, for transformers.
fn clip_config() -> serde_json::Value {
    let tower = json!({
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "hidden_act": "quick_gelu", "projection_dim": 12,
    });
    let with = |more: serde_json::Value| {
        let mut tower = tower.clone();
        for (key, value) in more.as_object().expect("a table") {
            tower[key] = value.clone();
        }
        tower
    };
    json!({
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "projection_dim": 12,
        "vision_config": with(json!({"image_size": 28, "patch_size": 14})),
        "text_config": with(json!({
            "vocab_size": 594, "max_position_embeddings": 48, "bos_token_id": 592,
            "eos_token_id": 593,
        })),
    })
}

/// DoRA of several ranks and alphas.
pub fn dora(kind: Kind) -> String {
    let (targets, rank, alpha, also) = match kind {
        Kind::Bert => (
            r#"["encoder.blocks.*.attn.*", "encoder.blocks.1.mlp.*"]"#,
            "encoder.blocks.1.attn.query",
            "encoder.blocks.*.mlp.fc2",
            "also_train = [\"head.*\"]\n",
        ),
        Kind::Clip => (
            r#"["*.blocks.1.attn.*", "visual.blocks.0.mlp.fc1"]"#,
            "text.blocks.1.attn.query",
            "visual.*.fc1",
            "",
        ),
    };
    format!(
        "[adapt]\nflavour = \"peft\"\nrank = 3\nalpha = 5.0\ndropout = 0.125\ntargets = \
         {targets}\n{also}[adapt.rank_pattern]\n\"{rank}\" = 2\n[adapt.alpha_pattern]\n\"{alpha}\" \
         = 2.5\n"
    )
}

/// LoRA, scaled by the root of its rank, from a normal beginning.
pub fn rslora(kind: Kind) -> String {
    dora(kind).replace(
        "flavour = \"peft\"",
        "flavour = \"lora\"\nrslora = true\ninit = \"gaussian\"",
    )
}
