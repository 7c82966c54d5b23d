//! Published weights of BERT by name: whose they are, and which are refused.

mod common;

use std::fs;
use std::path::Path;

use burn::tensor::TensorData;
use common::bert::config;
use common::golden_file;
use dacapo_models::{BertConfig, ModelsError, read_bert_weights};

fn refused(path: &Path, config: &BertConfig) -> String {
    match read_bert_weights(path, config) {
        Err(error @ (ModelsError::Weights { .. } | ModelsError::WeightNames { .. })) => {
            error.to_string()
        }
        other => panic!("expected an error, found {other:?}"),
    }
}

/// The golden file with other names of its tensors, some of them left out or added.
fn renamed(folder: &Path, rename: impl Fn(&str) -> Option<String>, more: &[&str]) {
    let bytes = fs::read(golden_file("bert.safetensors")).expect("golden weights");
    let whole = safetensors::SafeTensors::deserialize(&bytes).expect("golden weights");
    let named = whole.iter();
    let mut views: Vec<_> = named
        .filter_map(|(name, view)| Some((rename(name)?, view)))
        .collect();
    let added = whole.tensor("pooler.dense.bias").expect("a tensor");
    views.extend(more.iter().map(|name| ((*name).to_owned(), added.clone())));
    let file = safetensors::serialize(views, None).expect("serialised");
    fs::write(folder.join("model.safetensors"), file).expect("written");
}

#[test]
fn names_of_other_models_give_other_weights() {
    let config = config();
    let weights = read_bert_weights(&golden_file("bert.safetensors"), &config).expect("weights");
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    for prefix in ["", "bert.", "0.auto_model."] {
        let with_prefix = |name: &str| Some(format!("{prefix}{name}"));
        let ids = format!("{prefix}embeddings.position_ids");
        renamed(folder, with_prefix, &[&ids]);
        assert_eq!(
            read_bert_weights(folder, &config).expect("weights"),
            weights
        );
        let without_pooler = |name: &str| {
            let pooler = name.starts_with("pooler.");
            (!pooler).then(|| format!("{prefix}{name}"))
        };
        renamed(folder, without_pooler, &[]);
        assert_eq!(
            read_bert_weights(folder, &config).expect("weights"),
            weights
        );
        // A head, which would be trained in vain.
        renamed(folder, with_prefix, &["cls.predictions.bias"]);
        let message = refused(folder, &config);
        assert!(
            message.contains(r#"missing [], unexpected ["cls.predictions.bias"]"#),
            "{message}"
        );
        let other = format!("{prefix}pooler.dense.scale");
        renamed(folder, with_prefix, &[&other]);
        assert!(refused(folder, &config).contains(&other));
    }
    let mixed = |name: &str| {
        let block = name.starts_with("encoder.layer.1.");
        Some(if block {
            format!("bert.{name}")
        } else {
            name.to_owned()
        })
    };
    renamed(folder, mixed, &[]);
    let message = refused(folder, &config);
    assert!(
        message.contains(r#"missing ["encoder.layer.1."#),
        "{message}"
    );
    assert!(
        message.contains(r#"unexpected ["bert.encoder.layer.1."#),
        "{message}"
    );
    renamed(folder, |name| Some(format!("roberta.{name}")), &[]);
    assert!(refused(folder, &config).contains("named as transformers' BertModel"));
    let no_norm = |name: &str| (name != "embeddings.LayerNorm.bias").then(|| name.to_owned());
    renamed(folder, no_norm, &[]);
    assert!(refused(folder, &config).contains(r#"missing ["embeddings.LayerNorm.bias"]"#));
}

#[test]
fn weights_of_another_architecture_are_loaded() {
    let right = config();
    let file = golden_file("bert.safetensors");
    let refused = |change: &dyn Fn(&mut BertConfig)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        refused(&file, &wrong)
    };
    let message = refused(&|config| config.blocks = 3);
    assert!(
        message.contains("encoder.layer.2.attention.self.query.weight"),
        "{message}"
    );
    let message = refused(&|config| config.blocks = 1);
    assert!(message.contains("missing []"), "{message}");
    assert!(
        message.contains("encoder.layer.1.output.dense.bias"),
        "{message}"
    );
    let message = refused(&|config| config.vocabulary = 176);
    assert!(
        message.contains("[176, 32]") && message.contains("[175, 32]"),
        "{message}"
    );
    let message = refused(&|config| config.types = 3);
    assert!(
        message.contains("embeddings.token_type_embeddings.weight"),
        "{message}"
    );
    let message = refused(&|config| config.context = 17);
    assert!(
        message.contains("embeddings.position_embeddings.weight"),
        "{message}"
    );
    let invalid = BertConfig {
        eps: 0.0,
        ..right.clone()
    };
    let error = read_bert_weights(&file, &invalid).expect_err("no eps");
    assert!(error.to_string().contains("`eps`"), "{error}");
}

#[test]
fn only_row_of_the_token_types_is_another() {
    let bytes = fs::read(golden_file("bert.safetensors")).expect("golden weights");
    let whole = safetensors::SafeTensors::deserialize(&bytes).expect("golden weights");
    let types = whole.tensor("embeddings.token_type_embeddings.weight");
    let first: Vec<f32> = types.expect("a tensor").data()[..32 * 4]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let weights = read_bert_weights(&golden_file("bert.safetensors"), &config()).expect("weights");
    assert_eq!(
        weights["embed.token_type"],
        TensorData::new(first, [1, 1, 32])
    );
}
