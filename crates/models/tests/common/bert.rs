//! The small BERT of `golden/bert.py`.

use std::env;
use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::DType;
use dacapo_models::{Bert, BertConfig, Sentences, read_bert_config, read_bert_weights};
use serde_json::Value;

use super::{DEVICE, Train, golden_file, load, sizes};

pub fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/bert.json")).expect("JSON")
}

pub fn config() -> BertConfig {
    read_bert_config(&golden_file("bert_config.json")).expect("a config")
}

pub fn pretrained(dtype: DType) -> Bert<Train> {
    let config = config();
    let weights = read_bert_weights(&golden_file("bert.safetensors"), &config).expect("weights");
    let model = Bert::zeros(&config, &DEVICE).expect("a valid config");
    assert_eq!(super::values(&model).len(), weights.len());
    load(model, &weights, dtype)
}

/// The same, of which nothing is trained.
pub fn frozen() -> Bert<Train> {
    pretrained(DType::F32).no_grad()
}

/// Token ids in a golden file.
pub fn ids(value: &Value) -> Vec<u32> {
    sizes(value).into_iter().map(|id| id as u32).collect()
}

pub fn sentences() -> Sentences {
    let golden = golden();
    let all = golden["ids"].as_array().expect("a list");
    Sentences::new(all.iter().map(ids).collect()).expect("sentences")
}

/// The folder of the published files of all-MiniLM-L6-v2, which the environment names.
pub fn minilm() -> Option<PathBuf> {
    let folder = env::var_os("DACAPO_MINILM").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: DACAPO_MINILM names no folder with all-MiniLM-L6-v2");
    }
    folder
}
