//! What a model computes: here, and in Python.

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path, process::Command};

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};
use burn_flex::{Flex, FlexDevice};
use dacapo::{
    config::{AdaptMode, RunConfig, load_config},
    dora::{DoraTargets, attach},
    models::{
        Bert, Clip, Sentences, TokenBatch, read_bert_config, read_bert_weights, read_clip_weights,
    },
    ops::l2_normalise,
    rng::RngHub,
    trainer::{STREAMS, TrainerRecord, load_tensors, module_tensors},
};
use serde_json::{Value, json};

use crate::models::Kind;

pub type Outputs = BTreeMap<String, Vec<f32>>;

/// A Python with what `python/transformers_outputs.py` needs.
pub fn python() -> Option<OsString> {
    let python = std::env::var_os("DACAPO_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(&python)
        .args(["-c", "import torch, peft, transformers, safetensors"])
        .output();
    if output.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    eprintln!("skipped: neither DACAPO_PYTHON nor python3 has torch, peft and transformers");
    None
}

/// A job of `python/transformers_outputs.py`, its output in `folder` under `name`.
pub fn job(kind: Kind, what: &str, folder: &Path, base: &str, name: &str) -> Value {
    json!({
        "do": what,
        "model": kind.name(),
        "base": folder.join(base),
        "out": folder.join(name),
        "ids": ids(kind),
        "pixels": pixels(),
    })
}

/// Does the jobs, and reads what each computed.
#[track_caller]
pub fn run_python(python: &OsString, folder: &Path, jobs: &[Value]) -> Vec<Outputs> {
    let list = folder.join("jobs.json");
    fs::write(&list, Value::from(jobs).to_string()).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/transformers_outputs.py");
    let output = Command::new(python).arg(script).arg(list).output();
    let output = output.expect("Python runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{message}");
    let outputs = jobs.iter().map(|job| {
        let text = fs::read_to_string(job["out"].as_str().expect("a path")).expect("written");
        serde_json::from_str(&text).expect("JSON")
    });
    outputs.collect()
}

fn ids(kind: Kind) -> Vec<Vec<u32>> {
    match kind {
        Kind::Bert => vec![
            vec![3, 16, 4],
            vec![3, 9, 10, 11, 12, 4],
            vec![3, 17, 18, 21, 4],
        ],
        Kind::Clip => vec![vec![592, 5, 70, 593], vec![592, 300, 12, 41, 8, 593]],
    }
}

/// Two images of 28 pixels a side.
fn pixels() -> Vec<f32> {
    let value = |at: usize| ((at * 7919 + at / 13) % 401) as f32 / 100.0 - 2.0;
    (0..2 * 3 * 28 * 28).map(value).collect()
}

/// The model of the run in `folder` with the tensors of `record`, or of the weights `merged` alone.
pub enum Of<'a> {
    Run(&'a TrainerRecord),
    Merged(&'a Path),
}

/// What our own model computes.
pub fn own_outputs(kind: Kind, folder: &Path, of: &Of<'_>) -> Outputs {
    let base = folder.join("base");
    let weights = match of {
        Of::Run(_) => base.join("model.safetensors"),
        Of::Merged(path) => path.to_path_buf(),
    };
    let file = folder.join("run/config.toml");
    let config = load_config(RunConfig::default(), Some(&file), &[]).expect("the run's");
    match kind {
        Kind::Bert => {
            let sizes = read_bert_config(&base).expect("sizes");
            let values = read_bert_weights(&weights, &sizes).expect("weights");
            let model = Bert::<Flex>::zeros(&sizes, &FlexDevice).expect("sizes");
            let model = with(model, values, &config, of, "encoder.");
            let ids = ids(kind);
            let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
            let hidden = model.forward(&Sentences::new(ids).expect("sentences"), None);
            let [_, _, width] = hidden.dims();
            let parts = lengths.iter().enumerate().flat_map(|(row, tokens)| {
                numbers(hidden.clone().slice([row..row + 1, 0..*tokens, 0..width]))
            });
            BTreeMap::from([("hidden".to_owned(), parts.collect())])
        }
        Kind::Clip => {
            let sizes = config.clip.as_ref().expect("a section").model();
            let values = read_clip_weights(&weights, &sizes).expect("weights");
            let model = Clip::<Flex>::zeros(&sizes, &FlexDevice).expect("sizes");
            let model = with(model, values, &config, of, "");
            let pixels = TensorData::new(pixels(), [2, 3, 28, 28]);
            let images = model
                .visual
                .forward(Tensor::from_data(pixels, &FlexDevice), None);
            let texts = TokenBatch::new(ids(kind)).expect("texts");
            let texts = model.text.forward(&texts, None);
            let logits = model.logits(images.clone(), texts.clone());
            BTreeMap::from([
                ("images".to_owned(), numbers(l2_normalise(images))),
                ("texts".to_owned(), numbers(l2_normalise(texts))),
                ("logits".to_owned(), numbers(logits)),
            ])
        }
    }
}

/// A model of these weights and, if it is a run's, with the run's adapters.
fn with<M: DoraTargets<Flex> + Module<Flex>>(
    model: M,
    weights: BTreeMap<String, TensorData>,
    config: &RunConfig,
    of: &Of<'_>,
    prefix: &str,
) -> M {
    let model = load_tensors(model, "weights", &weights).expect("the model's");
    let Of::Run(record) = of else { return model };
    let model = match config.adapt.mode {
        AdaptMode::Full => model,
        AdaptMode::Dora => adapted(model, config, prefix),
    };
    let mut tensors = module_tensors(&model);
    for (path, data) in &record.adapters {
        if let Some(path) = path.strip_prefix(prefix) {
            tensors.insert(path.to_owned(), data.clone());
        }
    }
    tensors.retain(|path, _| !path.starts_with("head."));
    load_tensors(model, "run", &tensors).expect("the run's")
}

/// A model with new adapters where the run has them.
fn adapted<M: DoraTargets<Flex>>(model: M, config: &RunConfig, prefix: &str) -> M {
    let mut plan = config.adapt.plan();
    let own = |pattern: &String| {
        pattern
            .strip_prefix(prefix)
            .expect("the model's")
            .to_owned()
    };
    plan.targets = plan.targets.iter().map(own).collect();
    plan.rank_pattern = plan
        .rank_pattern
        .iter()
        .map(|(k, v)| (own(k), *v))
        .collect();
    plan.alpha_pattern = plan
        .alpha_pattern
        .iter()
        .map(|(k, v)| (own(k), *v))
        .collect();
    let mut rng = RngHub::new(0, STREAMS);
    let stream = rng.stream("init").expect("a stream");
    attach(model, &plan, stream).expect("attached").0
}

fn numbers<const D: usize>(tensor: Tensor<Flex, D>) -> Vec<f32> {
    tensor.into_data().to_vec().expect("f32")
}

/// Every output is as expected, within 1e-5 of its largest value, or of 1 if that is less.
#[track_caller]
pub fn assert_close(what: &str, found: &Outputs, expected: &Outputs) {
    assert!(found.keys().eq(expected.keys()), "{what}");
    let worst = distance(found, expected);
    assert!(worst <= 1e-5, "{what}: {worst:e}");
}

/// The largest distance, each relative to the largest value of its output, if that is above 1.
pub fn distance(found: &Outputs, expected: &Outputs) -> f32 {
    let mut worst = 0.0_f32;
    for (name, expected) in expected {
        let found = &found[name];
        assert_eq!(found.len(), expected.len(), "{name}");
        let largest = expected
            .iter()
            .fold(1.0_f32, |most, value| most.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            let off = (found - expected).abs() / largest;
            worst = if off.is_nan() {
                f32::INFINITY
            } else {
                worst.max(off)
            };
        }
    }
    worst
}
