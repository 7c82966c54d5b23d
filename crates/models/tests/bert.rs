//! BERT against transformers' BertModel in PyTorch: hidden states, embeddings and gradients, of a
//! small model and, where its weights are at hand, of all-MiniLM-L6-v2.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use burn::module::AutodiffModule;
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::Flex;
use common::bert::{config, frozen, golden, minilm, pretrained, sentences};
use common::{DEVICE, Train, assert_close, formula, load, numbers};
use dacapo_dora::{AdapterInit, DoraConfig, DoraTargets, Flavour, attach_matching};
use dacapo_models::{
    Bert, BertConfig, Cut, ModelsError, SentenceTokenizer, Sentences, read_bert_config,
    read_bert_weights,
};
use dacapo_ops::Precision;
use dacapo_prefix::SplitForward;
use dacapo_rng::{DropoutKey, Stream};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn hidden_states_differ_from_transformers() {
    let golden = golden();
    let (hidden, pooled) = (numbers(&golden["hidden"]), numbers(&golden["pooled"]));
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-10)] {
        let model = pretrained(dtype);
        let found = model.forward(&sentences(), None);
        assert_eq!(found.dtype(), dtype);
        assert_close("hidden", &found.into_data(), &hidden, tolerance);
        let found = model.embed(&sentences(), None).into_data();
        assert_close("pooled", &found, &pooled, tolerance);
    }
}

#[test]
fn gradients_differ_from_pytorch() {
    let golden = golden();
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-10)] {
        let model = pretrained(dtype);
        let pooled = model.embed(&sentences(), None);
        let [n, d] = pooled.dims();
        let weights = TensorData::new(formula("loss", n * d, 0.0), [n, d]);
        let weights = Tensor::<Train, 2>::from_data(weights, (&DEVICE, dtype));
        let gradients = (pooled * weights).sum().backward();
        let found = common::gradients(&model, &gradients);
        common::assert_gradients(&found, &golden["gradients"], tolerance);
    }
}

#[test]
fn eps_is_lost_in_f32() {
    // Far below what else a layer norm adds: of rows of this variance a thousandth.
    let tokens: Vec<f64> = formula("tokens", 175 * 32, 0.0);
    let tokens: Vec<f32> = tokens.iter().map(|value| (value * 1e-7) as f32).collect();
    let id = 12;
    let row: Vec<f64> = tokens[id * 32..][..32]
        .iter()
        .map(|value| f64::from(*value))
        .collect();
    let values = BTreeMap::from([(
        "embed.tokens".to_owned(),
        TensorData::new(tokens, [175, 32]),
    )]);
    let mean = row.iter().sum::<f64>() / 32.0;
    let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 32.0;
    for eps in [1e-12, 1e-14] {
        let config = BertConfig { eps, ..config() };
        let model = Bert::zeros(&config, &DEVICE).expect("a valid config");
        let model: Bert<Train> = load(model, &values, DType::F32);
        let sentences = Sentences::new(vec![vec![id as u32]]).expect("a sentence");
        let input = sentences.tensor(&config, &DEVICE).expect("a sentence");
        let parts = model.prefix(input, Cut::block(0), None);
        let wanted: Vec<f64> = row
            .iter()
            .map(|value| (value - mean) / (variance + eps).sqrt())
            .collect();
        assert_close("normalised", &parts[0].clone().into_data(), &wanted, 1e-6);
    }
}

#[test]
fn row_without_variance_is_not_a_number() {
    let config = config();
    let model = Bert::<Train>::zeros(&config, &DEVICE).expect("a valid config");
    let pooled = model.embed(&sentences(), None);
    assert!(
        pooled
            .clone()
            .into_data()
            .iter::<f32>()
            .all(|value| value == 0.0)
    );
    let gradients = common::gradients(&model, &(pooled + 1.0).powf_scalar(2.0).sum().backward());
    assert!(gradients.len() == common::values(&model).len());
    for (path, gradient) in gradients {
        assert!(gradient.iter::<f32>().all(f32::is_finite), "{path}");
    }
}

#[test]
fn embeddings_of_minilm_differ_from_transformers() {
    let Some(folder) = minilm() else { return };
    let golden: Value =
        serde_json::from_str(include_str!("golden/bert_minilm.json")).expect("JSON");
    let config = read_bert_config(&folder).expect("a config");
    assert_eq!(config, BertConfig::minilm_l6());
    let weights = read_bert_weights(&folder, &config).expect("published weights");
    let model = Bert::zeros(&config, &DEVICE).expect("a valid config");
    let model = load(model, &weights, DType::F32).valid();
    let tokenizer = SentenceTokenizer::read(&folder, config.context).expect("a tokenizer");
    assert_eq!(tokenizer.vocabulary(), config.vocabulary);
    let texts = golden["sentences"].as_array().expect("a list");
    let texts: Vec<&str> = texts.iter().filter_map(Value::as_str).collect();
    let sentences = tokenizer.tokenize(&texts).expect("short sentences");
    let found = model.embed(&sentences, None);
    let turned: Vec<usize> = (0..texts.len()).rev().collect();
    let turned = model.embed(&sentences.select(&turned).expect("there"), None);
    assert_eq!(rows(turned.flip([0])), rows(found.clone()));
    let unit = model.embed_normalised(&sentences, None);
    let [n, d] = found.dims();
    assert_eq!([n, d], [texts.len(), config.d_model]);
    let norms = found.clone().powf_scalar(2.0).sum_dim(1).sqrt();
    let begin = found.clone().slice([0..n, 0..8]).into_data();
    let wanted = numbers(&golden["begin"]);
    let largest = begin.iter::<f64>().zip(&wanted);
    let largest = largest.fold(0.0, |most: f64, (f, g)| most.max((f - g).abs()));
    eprintln!("at most {largest:e} apart");
    assert_close("begin", &begin, &wanted, 1e-5);
    let wanted = numbers(&golden["norm"]);
    assert_close("norm", &norms.clone().into_data(), &wanted, 1e-5);
    let again = (unit * norms).into_data();
    let found: Vec<f64> = found.into_data().iter().collect();
    assert_close("normalised", &again, &found, 1e-5);
}

/// Rows of values in their bits.
fn rows(values: Tensor<Flex, 2>) -> Vec<Vec<u32>> {
    let [_, width] = values.dims();
    let values: Vec<f32> = values.into_data().to_vec().expect("f32");
    let rows = values.chunks(width);
    rows.map(|row| row.iter().map(|value| value.to_bits()).collect())
        .collect()
}

#[test]
fn sentence_depends_on_its_neighbours() {
    let model = frozen().valid();
    let all = sentences();
    let of = |indices: &[usize]| {
        let batch = all.select(indices).expect("there");
        assert_eq!(batch.tokens(), all.tokens());
        rows(model.embed(&batch, None))
    };
    let whole = of(&[0, 1, 2, 3, 4]);
    for indices in [[4, 3, 2, 1, 0], [2, 2, 2, 2, 2], [1, 0, 1, 4, 3]] {
        for (row, index) in of(&indices).iter().zip(indices) {
            assert_eq!(row, &whole[index], "{index} among {indices:?}");
        }
    }
}

#[test]
fn padding_is_read() {
    let model = pretrained(DType::F64);
    let short = Sentences::new(vec![sentences().ids()[2].clone()]).expect("a sentence");
    let alone = model.embed(&short, None).into_data();
    let alone: Vec<f64> = alone.iter().collect();
    for tokens in [5, 12, 16] {
        let padded = short.clone().padded_to(tokens).expect("longer");
        let found = model.embed(&padded, None).into_data();
        assert_close("embedding", &found, &alone, 1e-12);
    }
    // The token that stands for padding is one as good as another, where a text has it.
    let special = |ids: Vec<u32>| {
        let sentences = Sentences::new(vec![ids]).expect("a sentence");
        model.embed(&sentences, None).into_data()
    };
    assert_ne!(special(vec![3, 12, 0, 4]), special(vec![3, 12, 4]));
}

#[test]
fn attached_adapter_changes_the_output_or_trains_the_base() {
    let model = frozen();
    let before = model.embed(&sentences(), None).into_data();
    let dora = DoraConfig {
        flavour: Flavour::Peft,
        rank: 3,
        alpha: 6.0,
        dropout: 0.0,
        rslora: false,
        init: AdapterInit::Kaiming,
    };
    let targets = ["blocks.1.attn.*".to_owned()];
    let stream = &mut Stream::named(7, "init");
    let (model, attached) = attach_matching(model, &targets, &dora, stream).expect("attachable");
    let names = ["query", "key", "value", "out_proj"];
    assert_eq!(attached, names.map(|name| format!("blocks.1.attn.{name}")));
    let after = model.embed(&sentences(), None);
    assert_eq!(after.clone().into_data(), before);
    let gradients = after.powf_scalar(2.0).sum().backward();
    let found = common::gradients(&model, &gradients);
    let expected: BTreeSet<String> = attached
        .iter()
        .flat_map(|path| {
            ["lora_a", "lora_b", "magnitude"].map(|own| format!("{path}.adapter.{own}"))
        })
        .collect();
    assert!(found.keys().eq(expected.iter()), "{:?}", found.keys());
    for (path, gradient) in found {
        // B is zero at the start, and with it the gradient of A.
        let zero = gradient.iter::<f32>().all(|value| value == 0.0);
        assert_eq!(zero, path.ends_with("lora_a"), "{path}");
    }
}

#[test]
fn linear_layer_cannot_be_adapted() {
    let mut paths = Vec::new();
    let visit = |path: &str, linear| {
        paths.push(path.to_owned());
        Ok(linear)
    };
    frozen().map_linears(&mut { visit }).expect("visited");
    let layers = [
        "attn.query",
        "attn.key",
        "attn.value",
        "attn.out_proj",
        "mlp.fc1",
        "mlp.fc2",
    ];
    let expected = (0..2).flat_map(|i| layers.map(|layer| format!("blocks.{i}.{layer}")));
    assert_eq!(paths, expected.collect::<Vec<_>>());
}

#[test]
fn precision_does_not_reach_every_product() {
    let model = frozen();
    let plain = model.embed(&sentences(), None).into_data();
    let f32 = model.clone().with_precision(Precision::F32);
    assert_eq!(f32.embed(&sentences(), None).into_data(), plain);
    let bf16 = model.with_precision(Precision::Bf16);
    bf16.clone()
        .map_linears(&mut |path, linear| {
            assert_eq!(linear.precision(), Precision::Bf16, "{path}");
            Ok(linear)
        })
        .expect("visited");
    let rounded = bf16.embed(&sentences(), None).into_data();
    let plain: Vec<f64> = plain.iter().collect();
    assert_close("embedding", &rounded, &plain, 5e-2);
    // Attention's own products are not the layers'.
    let mut layers = frozen().with_precision(Precision::Bf16);
    layers = dacapo_dora::set_precision(layers, Precision::F32).expect("set");
    let products = layers.embed(&sentences(), None).into_data();
    assert!(products.iter::<f64>().zip(&plain).any(|(f, g)| f != *g));
}

#[test]
fn dropout_draws_from_elsewhere_than_its_key() {
    let config = BertConfig {
        dropout: 0.3,
        ..config()
    };
    let stream = &mut Stream::named(7, "init");
    let model = Bert::<Flex>::init(&config, stream, &DEVICE).expect("a valid config");
    let embed = |key: Option<&DropoutKey>| model.embed(&sentences(), key).into_data();
    let key = |step| DropoutKey::new(1, "dropout", step, 0);
    assert_eq!(embed(Some(&key(0))), embed(Some(&key(0))));
    assert_ne!(embed(Some(&key(0))), embed(Some(&key(1))));
    assert_ne!(embed(Some(&key(0))), embed(None));
    let without = BertConfig {
        dropout: 0.0,
        ..config
    };
    let stream = &mut Stream::named(7, "init");
    let same = Bert::<Flex>::init(&without, stream, &DEVICE).expect("a valid config");
    assert_eq!(
        same.embed(&sentences(), Some(&key(0))).into_data(),
        embed(None)
    );
}

#[test]
fn ids_or_lengths_beyond_the_model_are_computed() {
    let config = config();
    let tensor = |ids: Vec<Vec<u32>>, tokens: usize| {
        let sentences = Sentences::new(ids).expect("sentences").padded_to(tokens)?;
        sentences.tensor::<Flex>(&config, &DEVICE)
    };
    let found = tensor(vec![vec![3, 174, 4], vec![3, 4]], 4).expect("within");
    let values = [3.0, 174.0, 4.0, -1.0, 3.0, 4.0, -1.0, -1.0];
    assert_eq!(
        found.into_data(),
        TensorData::new(values.map(|v: f32| v).to_vec(), [2, 4])
    );
    let says = |result: Result<Tensor<Flex, 2>, ModelsError>, parts: &[&str]| {
        let message = result.expect_err("beyond").to_string();
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    };
    says(
        tensor(vec![vec![3, 4], vec![3, 175, 4]], 3),
        &["text 1", "below 175", "found 175"],
    );
    says(
        tensor(vec![vec![3, 4], vec![4; 17]], 17),
        &["sentence 1", "17 tokens", "at most 16"],
    );
    says(
        tensor(vec![vec![3, 4], vec![3, 4, 4]], 2),
        &["sentence 1", "3 tokens", "at most 2"],
    );
    assert!(Sentences::new(vec![]).is_err());
    assert!(Sentences::new(vec![vec![3], vec![]]).is_err());
    let some = sentences();
    let message = some.select(&[1, 5]).expect_err("beyond").to_string();
    assert!(message.contains("example 5 does not exist"), "{message}");
    assert!(some.select(&[]).is_err());
}

#[test]
#[should_panic(expected = "expected token ids below 175")]
fn id_beyond_the_vocabulary_is_embedded() {
    let sentences = Sentences::new(vec![vec![3, 9999, 4]]).expect("sentences");
    frozen().embed(&sentences, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn shape_is_another_than_the_configs(
        heads in 1_usize..4, d_head in 1_usize..5, d_mlp in 1_usize..9, blocks in 1_usize..3,
        lengths in prop::collection::vec(1_usize..7, 1..4), more in 0_usize..3,
    ) {
        let config = BertConfig {
            vocabulary: 11, context: 9, types: 1, d_model: heads * d_head, blocks, heads, d_mlp,
            eps: 1e-12, dropout: 0.0,
        };
        let stream = &mut Stream::named(3, "init");
        let model = Bert::<Flex>::init(&config, stream, &DEVICE).expect("a valid config");
        let ids = lengths.iter().map(|len| (0..*len as u32).collect()).collect();
        let sentences = Sentences::new(ids).expect("sentences");
        let tokens = sentences.tokens() + more;
        let sentences = sentences.padded_to(tokens).expect("longer");
        let n = lengths.len();
        prop_assert_eq!(model.forward(&sentences, None).dims(), [n, tokens, heads * d_head]);
        let pooled = model.embed(&sentences, None);
        prop_assert_eq!(pooled.dims(), [n, heads * d_head]);
        prop_assert!(pooled.into_data().iter::<f32>().all(f32::is_finite));
    }
}
