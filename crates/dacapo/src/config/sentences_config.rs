use std::num::NonZeroUsize;

use dacapo_models::BertConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::CliError;

/// `[sentences]`: a BERT that predicts the similarity dimensions of THINGS from the objects' names,
/// with `model.kind = "bert"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SentencesConfig {
    /// Its weights, as Hugging Face publishes them: a folder with `model.safetensors`, or a file;
    /// `random` for fresh ones from the stream `init`.
    pub weights: String,
    /// Its tokenizer: `tokenizer.json`, `vocab.txt`, or a folder with one of them. By default the
    /// folder of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// Its sizes, in place of those in `config.json` beside the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sizes: Option<BertConfig>,
    /// Dropout of its blocks behind the first trainable tensor.
    #[serde(default)]
    pub dropout: f64,
    /// The objects' images, whose names are the sentences, and targets.
    pub targets: String,
    /// Sentences that are computed at a time up to the first trainable tensor. Another number can
    /// give other bits.
    #[serde(default = "prefix_batch")]
    pub prefix_batch: NonZeroUsize,
    /// The share of the objects that is trained on; the rest judges every epoch.
    #[serde(default = "train_fraction")]
    pub train_fraction: f64,
    /// Names and targets of objects for the behavioural RSA of every epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsa_targets: Option<String>,
    /// Those objects' dissimilarities as people judge them, in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsa_rdm: Option<String>,
}

fn prefix_batch() -> NonZeroUsize {
    NonZeroUsize::new(64).expect("64 is not 0")
}

fn train_fraction() -> f64 {
    dacapo_things::Split::TRAIN_FRACTION
}

impl SentencesConfig {
    /// Whether the weights are drawn.
    pub fn is_random(&self) -> bool {
        self.weights == "random"
    }

    /// The sizes that are given, with the dropout; none where they are the weights' own.
    ///
    /// # Errors
    /// If weights are drawn for sizes that nothing tells.
    pub fn sizes(&self) -> Result<Option<BertConfig>, CliError> {
        if self.is_random() && self.sizes.is_none() {
            return Err(CliError::input(
                "sentences.weights = \"random\" needs sentences.sizes",
                "Give [sentences.sizes], as docs/sentences.md has it",
            ));
        }
        Ok(self.sizes.clone().map(|sizes| self.with_dropout(sizes)))
    }

    /// These sizes with the run's dropout.
    pub fn with_dropout(&self, sizes: BertConfig) -> BertConfig {
        BertConfig {
            dropout: self.dropout,
            ..sizes
        }
    }

    /// Every path, by its key.
    pub fn paths_mut(&mut self) -> Vec<(&'static str, &mut String)> {
        let mut paths = Vec::new();
        if !self.is_random() {
            paths.push(("sentences.weights", &mut self.weights));
        }
        paths.push(("sentences.targets", &mut self.targets));
        let optional = [
            ("sentences.tokenizer", &mut self.tokenizer),
            ("sentences.rsa_targets", &mut self.rsa_targets),
            ("sentences.rsa_rdm", &mut self.rsa_rdm),
        ];
        for (key, path) in optional {
            paths.extend(path.as_mut().map(|path| (key, path)));
        }
        paths
    }
}
