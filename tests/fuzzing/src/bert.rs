use std::path::Path;

use dacapo::models::{BertConfig, read_bert_config, read_bert_weights};
use serde_json::json;

use crate::{
    file::{accepted, with_file, with_files},
    memory::{bounded, bounded_by},
    pair::{name, split},
};

/// An object of one key takes seven bytes, and a node of a tree.
const PER_BYTE: usize = 96;

/// What messages may take of any file, and the names of every tensor of the most blocks.
const NAMES: usize = 8 << 20;

/// A BERT: `bytes` up to the first NUL as `config.json`, and behind it as `model.safetensors` or, if
/// they begin as a zip archive does, as `pytorch_model.bin`.
pub fn bert(bytes: &[u8]) {
    let (config, weights) = split(bytes);
    let weights_name = name(weights, "pytorch_model.bin", "model.safetensors");
    let files = [("config.json", config), (weights_name, weights)];
    with_files(&files, |folder| read(folder, weights_name, bytes.len()));
}

fn read(folder: &Path, weights: &str, len: usize) {
    let config = bounded(PER_BYTE, len, || accepted(folder, read_bert_config(folder)));
    let Some(config) = config else { return };
    let again = with_file("config.json", written(&config).as_bytes(), read_bert_config);
    assert_eq!(again.expect("what was written can be read"), config);
    let tensors = bounded_by(NAMES, PER_BYTE, len, || {
        accepted(folder, read_bert_weights(&folder.join(weights), &config))
    });
    for (name, data) in tensors.into_iter().flatten() {
        let values = data.as_slice::<f32>().expect("weights are read as f32");
        assert_eq!(values.len(), data.shape.iter().product::<usize>(), "{name}");
        assert!(values.iter().all(|value| value.is_finite()), "{name}");
    }
}

fn written(config: &BertConfig) -> String {
    let keys = json!({
        "model_type": "bert",
        "hidden_act": "gelu",
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context,
        "type_vocab_size": config.types,
        "hidden_size": config.d_model,
        "num_hidden_layers": config.blocks,
        "num_attention_heads": config.heads,
        "intermediate_size": config.d_mlp,
        "layer_norm_eps": config.eps,
    });
    keys.to_string()
}
