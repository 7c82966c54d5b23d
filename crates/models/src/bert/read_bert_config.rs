use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::BertConfig;
use crate::ModelsError;
use crate::plain_file::read_plain_file;
use crate::shown::shown;
use crate::weights::DistinctMap;

/// In bytes; published ones have a few hundred.
const LONGEST: u64 = 1 << 20;

/// Keys that make transformers' `BertModel` another model, and the values, in JSON, with which they
/// do not; where `null` is one, the key may be absent.
const SAME: [(&str, &[&str]); 9] = [
    ("model_type", &[r#""bert""#]),
    ("hidden_act", &[r#""gelu""#]),
    ("position_embedding_type", &[r#""absolute""#, "null"]),
    ("is_decoder", &["false", "null"]),
    ("is_encoder_decoder", &["false", "null"]),
    ("add_cross_attention", &["false", "null"]),
    ("pruned_heads", &["{}", "null"]),
    ("quantization_config", &["null"]),
    // Code of one's own.
    ("auto_map", &["null"]),
];

/// The sizes in the `config.json` of a BERT encoder of Hugging Face, or of the one in a folder.
///
/// What does not change the output of transformers' `BertModel` is passed over, dropout included:
/// `dropout` is 0, for whoever trains to set.
///
/// # Errors
/// [`ModelsError::ConfigFile`] for a file that cannot be read, lacks a size, or tells of another
/// model than [`Bert`](super::Bert) is: another `model_type` than `bert`, another `hidden_act` than
/// `gelu`, other positions than absolute ones, a decoder, pruned heads, quantised weights; or whose
/// sizes are out of range or do not fit together.
pub fn read_bert_config(path: &Path) -> Result<BertConfig, ModelsError> {
    let path = match path.is_dir() {
        true => &path.join("config.json"),
        false => path,
    };
    let refuse = |expected: &str, found: String| ModelsError::ConfigFile {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found,
    };
    let bytes = read_plain_file(path, LONGEST);
    let bytes = bytes.map_err(|error| refuse("a JSON file", error.to_string()))?;
    let keys: DistinctMap<Value> = serde_json::from_slice(&bytes)
        .map_err(|error| refuse("a JSON object", shown(&error.to_string())))?;
    let keys = Keys { path, keys: keys.0 };
    for (key, values) in SAME {
        keys.require(key, values)?;
    }
    let config = BertConfig {
        vocabulary: keys.size(published("vocabulary"))?,
        context: keys.size(published("context"))?,
        types: keys.size(published("types"))?,
        d_model: keys.size(published("d_model"))?,
        blocks: keys.size(published("blocks"))?,
        heads: keys.size(published("heads"))?,
        d_mlp: keys.size(published("d_mlp"))?,
        eps: keys.number(published("eps"))?,
        dropout: 0.0,
    };
    config.validate().map_err(|error| match error {
        ModelsError::Config {
            key,
            expected,
            found,
        } => refuse(&format!("`{}`: {expected}", published(key)), found),
        other => other,
    })?;
    Ok(config)
}

/// What Hugging Face calls a setting of [`BertConfig`].
fn published(key: &'static str) -> &'static str {
    match key {
        "vocabulary" => "vocab_size",
        "context" => "max_position_embeddings",
        "types" => "type_vocab_size",
        "d_model" => "hidden_size",
        "blocks" => "num_hidden_layers",
        "heads" => "num_attention_heads",
        "d_mlp" => "intermediate_size",
        "eps" => "layer_norm_eps",
        other => other,
    }
}

struct Keys<'a> {
    path: &'a Path,
    keys: BTreeMap<String, Value>,
}

impl Keys<'_> {
    fn require(&self, key: &str, values: &[&str]) -> Result<(), ModelsError> {
        let found = self.keys.get(key).unwrap_or(&Value::Null).to_string();
        match values.contains(&found.as_str()) {
            true => Ok(()),
            false => Err(self.refuse(key, &values.join(" or "))),
        }
    }

    fn size(&self, key: &str) -> Result<usize, ModelsError> {
        let value = self.keys.get(key).and_then(Value::as_u64);
        let value = value.and_then(|value| usize::try_from(value).ok());
        value.ok_or_else(|| self.refuse(key, "a whole number"))
    }

    fn number(&self, key: &str) -> Result<f64, ModelsError> {
        let value = self.keys.get(key).and_then(Value::as_f64);
        value.ok_or_else(|| self.refuse(key, "a number"))
    }

    fn refuse(&self, key: &str, expected: &str) -> ModelsError {
        let found = match self.keys.get(key) {
            Some(Value::String(text)) => format!("\"{}\"", shown(text)),
            Some(other) => shown(&other.to_string()),
            None => "none".to_owned(),
        };
        ModelsError::ConfigFile {
            path: self.path.to_owned(),
            expected: format!("`{key}`: {expected}"),
            found,
        }
    }
}
