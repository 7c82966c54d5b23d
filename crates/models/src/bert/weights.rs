//! The published weights of BERT, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::tensor::TensorData;

use super::BertConfig;
use crate::ModelsError;
use crate::shown::shown;
use crate::weights::{AttentionNames, BlockNames, Sources, Take, TensorRule, read_weights};

/// Every tensor of a [`Bert`](super::Bert) of this configuration, in f32 and by stable path, from
/// published weights.
///
/// `path` is what [`read_clip_weights`](crate::read_clip_weights) takes. The names are those of
/// transformers' `BertModel`, alone, in a larger model (`bert.`), or first in a
/// sentence-transformers one (`0.auto_model.`). The pooler's tensors and `position_ids` may be there
/// and are not read: no hidden state depends on them. Neither does one on rows of
/// `token_type_embeddings` but the first. f16 and bf16 become f32, which holds them exactly.
///
/// # Errors
/// Files that cannot be read, tensors that are missing, unexpected (all of them are
/// listed), of another shape (the first is named), or not finite.
pub fn read_bert_weights(
    path: &Path,
    config: &BertConfig,
) -> Result<BTreeMap<String, TensorData>, ModelsError> {
    read_weights(path, config.into())
}

/// What may stand before a tensor's name.
const PREFIXES: [&str; 3] = ["", "bert.", "0.auto_model."];

const TOKENS: &str = "embeddings.word_embeddings.weight";

/// Known, and not read.
const UNREAD: [&str; 3] = [
    "embeddings.position_ids",
    "pooler.dense.weight",
    "pooler.dense.bias",
];

const BLOCK: BlockNames = BlockNames {
    attention: AttentionNames::Apart([
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    ]),
    out_proj: "attention.output.dense",
    fc1: "intermediate.dense",
    fc2: "output.dense",
    norm1: "attention.output.LayerNorm",
    norm2: "output.LayerNorm",
};

/// Where the tensors are in the file at `path`, which has tensors of these names.
pub(crate) fn sources(
    config: &BertConfig,
    path: &Path,
    names: &BTreeSet<String>,
) -> Result<Sources, ModelsError> {
    let mut prefixes = PREFIXES.into_iter();
    let Some(prefix) = prefixes.find(|prefix| names.contains(&format!("{prefix}{TOKENS}"))) else {
        let some: Vec<String> = names.iter().take(5).map(|name| shown(name)).collect();
        return Err(ModelsError::weights(
            path,
            format!(
                "the tensors of a BERT encoder, named as transformers' BertModel names them \
                     ({TOKENS})"
            ),
            format!("{} others: {}, ...", names.len(), some.join(", ")),
        ));
    };
    let unread = UNREAD.map(|name| format!("{prefix}{name}"));
    Ok(Sources {
        rules: rules(config, prefix),
        unread: BTreeSet::from(unread),
    })
}

/// Where they are in a file of transformers' `BertModel`.
pub(crate) fn hugging_face_rules(config: &BertConfig) -> Vec<TensorRule> {
    rules(config, "")
}

fn rules(config: &BertConfig, prefix: &str) -> Vec<TensorRule> {
    let (d, tokens, context) = (config.d_model, config.vocabulary, config.context);
    let from = |name: &str| format!("{prefix}embeddings.{name}");
    let mut rules = vec![
        TensorRule::all(
            "embed.tokens",
            &[tokens, d],
            format!("{prefix}{TOKENS}"),
            &[tokens, d],
        ),
        TensorRule::all(
            "embed.positions",
            &[1, context, d],
            from("position_embeddings.weight"),
            &[context, d],
        ),
        TensorRule {
            take: Take::First,
            ..TensorRule::all(
                "embed.token_type",
                &[1, 1, d],
                from("token_type_embeddings.weight"),
                &[config.types, d],
            )
        },
    ];
    rules.extend(TensorRule::norm("embed.norm", d, &from("LayerNorm")));
    for block in 0..config.blocks {
        let (ours, from) = (
            format!("blocks.{block}"),
            format!("{prefix}encoder.layer.{block}"),
        );
        rules.extend(BLOCK.rules([d, config.d_mlp], &ours, &from));
    }
    rules
}
