//! The vision transformer against PyTorch, and what resuming it relies on.

mod common;

use std::collections::BTreeSet;

use burn::module::{AutodiffModule, Module};
use burn::tensor::{DType, Tensor};
use burn_flex::Flex;
use common::{DEVICE, Descend, Train};
use dacapo_dora::{AdapterInit, DoraConfig, DoraTargets, Flavour, attach_matching};
use dacapo_models::{Digits, Vit, VitConfig, cross_entropy};
use dacapo_rng::{DropoutKey, Stream};
use serde_json::Value;

fn init(config: &VitConfig, seed: u64) -> Vit<Train> {
    let mut stream = Stream::named(seed, "init");
    Vit::init(config, &mut stream, &DEVICE).unwrap()
}

fn batch() -> (Tensor<Train, 3>, Vec<usize>) {
    let digits = Digits::embedded().unwrap();
    let indices: Vec<usize> = (0..24).collect();
    let images = digits.batch(&indices, &DEVICE).unwrap();
    (images, digits.targets(&indices).unwrap())
}

fn bits(logits: Tensor<impl burn::tensor::backend::Backend, 2>) -> Vec<u32> {
    let values: Vec<f32> = logits.into_data().to_vec().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

fn golden(dtype: DType, tolerance: f64) {
    let file: Value = serde_json::from_str(include_str!("golden/vit.json")).unwrap();
    for (name, case) in file["cases"].as_object().unwrap() {
        let size = |key: &str| common::size(&case[key]);
        let config = VitConfig {
            image_size: size("image_size"),
            patch_size: size("patch_size"),
            d_model: size("d_model"),
            blocks: size("blocks"),
            heads: size("heads"),
            d_mlp: size("d_mlp"),
            classes: size("classes"),
            dropout: 0.0,
        };
        let model = common::fill(init(&config, 0), dtype);
        let path = format!("{name}.images");
        let images = common::images::<Train>(&path, size("batch"), config.image_size, dtype);
        let expected = common::numbers(&case["logits"]);

        let plain = model.valid().forward(images.clone().inner(), None);
        assert_eq!(plain.dtype(), dtype);
        common::assert_close("plain logits", &plain.into_data(), &expected, tolerance);

        let logits = model.forward(images, None);
        assert_eq!(logits.dtype(), dtype);
        common::assert_close("logits", &logits.to_data(), &expected, tolerance);
        let loss = cross_entropy(logits, &common::sizes(&case["targets"])).unwrap();
        let expected = common::numbers(&case["loss"]);
        common::assert_close("loss", &loss.to_data(), &expected, tolerance);
        let gradients = common::gradients(&model, &loss.backward());
        common::assert_gradients(&gradients, &case["gradients"], tolerance);
    }
}

#[test]
fn f64_differs_from_pytorch() {
    golden(DType::F64, 1e-10);
}

#[test]
fn f32_differs_from_pytorch() {
    golden(DType::F32, 1e-5);
}

#[test]
fn initial_values_depend_on_more_than_the_stream() {
    let config = VitConfig::default();
    let one = common::values(&init(&config, 7));
    assert_eq!(one, common::values(&init(&config, 7)));
    assert_ne!(one, common::values(&init(&config, 8)));

    let mut stream = Stream::named(7, "init");
    let model = Vit::<Flex>::init(&config, &mut stream, &DEVICE).unwrap();
    assert_eq!(model.num_params(), 136_138);
    // Two draws for each normal value, one for each uniform one, none for the
    // 9 norms of 2 x 64.
    let normals = 64 + 17 * 64;
    let norms = 9 * 2 * 64;
    let uniforms = model.num_params() - normals - norms;
    assert_eq!(stream.position(), (2 * normals + uniforms) as u64);
}

#[test]
fn tokens_start_far_from_a_deviation_of_a_fiftieth() {
    let values = common::values(&init(&VitConfig::default(), 7));
    let positions: Vec<f64> = values["positions"].iter::<f64>().collect();
    let n = positions.len() as f64;
    let mean = positions.iter().sum::<f64>() / n;
    let variance = positions.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / n;
    // Five standard errors of 1,088 draws.
    assert!(mean.abs() < 5.0 * 0.02 / n.sqrt(), "{mean}");
    assert!((variance.sqrt() / 0.02 - 1.0).abs() < 5.0 / (2.0 * n).sqrt());
}

#[test]
fn an_invalid_config_still_draws() {
    let config = VitConfig {
        heads: 5,
        ..VitConfig::default()
    };
    let mut stream = Stream::named(7, "init");
    assert!(Vit::<Flex>::init(&config, &mut stream, &DEVICE).is_err());
    assert_eq!(stream.position(), 0);
}

#[test]
fn a_linear_layer_cannot_be_adapted() {
    let model = init(&VitConfig::default(), 7);
    let before = common::values(&model);
    let mut paths = Vec::new();
    let model = model
        .map_linears(&mut |path: &str, linear| {
            paths.push(path.to_owned());
            Ok(linear)
        })
        .unwrap();
    assert_eq!(before, common::values(&model));
    // Each path is the prefix of its parameters' paths, and no weight matrix
    // is left out.
    let suffix = ".weight";
    let weights: BTreeSet<&str> = before
        .keys()
        .filter_map(|p| p.strip_suffix(suffix))
        .collect();
    assert_eq!(
        paths.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        weights
    );
    assert_eq!(paths.len(), 1 + 4 * 6 + 1);
    // The order decides who gets which initial values.
    assert_eq!(
        paths[..3],
        ["patch_embed", "blocks.0.attn.query", "blocks.0.attn.key"]
    );
    assert_eq!(
        paths[3..6],
        [
            "blocks.0.attn.value",
            "blocks.0.attn.out_proj",
            "blocks.0.mlp.fc1"
        ]
    );
    assert_eq!(paths[6..8], ["blocks.0.mlp.fc2", "blocks.1.attn.query"]);
    assert_eq!(paths[25], "head");
}

#[test]
fn a_fresh_peft_adapter_changes_the_output() {
    let model = init(&VitConfig::default(), 7);
    let (images, _) = batch();
    let before = bits(model.forward(images.clone(), None));
    let config = DoraConfig {
        flavour: Flavour::Peft,
        rank: 4,
        alpha: 8.0,
        dropout: 0.0,
        rslora: false,
        init: AdapterInit::Kaiming,
    };
    let mut stream = Stream::named(7, "adapters");
    let patterns = ["blocks.*.attn.out_proj".to_owned()];
    let (model, attached) = attach_matching(model, &patterns, &config, &mut stream).unwrap();
    assert_eq!(attached.len(), 4);
    assert_eq!(attached[3], "blocks.3.attn.out_proj");
    let values = common::values(&model);
    assert!(values.contains_key("blocks.3.attn.out_proj.adapter.lora_a"));
    assert_eq!(before, bits(model.forward(images, None)));
}

#[test]
fn dropout_depends_on_more_than_its_key() {
    let config = VitConfig {
        dropout: 0.25,
        ..VitConfig::default()
    };
    let model = init(&config, 7);
    let (images, _) = batch();
    let run = |key: Option<&DropoutKey>| bits(model.forward(images.clone(), key));
    let key = DropoutKey::new(1, "dropout", 5, 0);
    let dropped = run(Some(&key));
    assert_eq!(dropped, run(Some(&key)));
    assert_ne!(dropped, run(Some(&DropoutKey::new(1, "dropout", 6, 0))));
    assert_ne!(dropped, run(Some(&DropoutKey::new(1, "dropout", 5, 1))));

    let kept = run(None);
    assert_ne!(dropped, kept);
    // The rate is no parameter: without dropout the model is the same.
    let plain = init(&VitConfig::default(), 7);
    assert_eq!(kept, bits(plain.forward(images.clone(), None)));
    assert_eq!(kept, bits(plain.forward(images.clone(), Some(&key))));
}

#[test]
fn two_backward_passes_differ() {
    let model = init(&VitConfig::default(), 7);
    let (images, targets) = batch();
    let run = || {
        let loss = cross_entropy(model.forward(images.clone(), None), &targets).unwrap();
        common::gradients(&model, &loss.backward())
    };
    assert_eq!(run(), run());
}

#[test]
fn training_does_not_learn() {
    let mut model = init(&VitConfig::default(), 7);
    let (images, targets) = batch();
    let mut losses = Vec::new();
    for _ in 0..60 {
        let loss = cross_entropy(model.forward(images.clone(), None), &targets).unwrap();
        losses.push(loss.to_data().iter::<f64>().next().unwrap());
        let gradients = loss.backward();
        model = model.map(&mut Descend {
            gradients: &gradients,
            lr: 0.001,
        });
    }
    let [first, last] = [losses[0], losses[59]];
    assert!((first - 10f64.ln()).abs() < 0.7, "{losses:?}");
    assert!(last < 0.5 * first, "{losses:?}");
}

#[test]
#[should_panic(expected = "expected images of 8x8, found 6x8")]
fn images_of_another_size_are_read() {
    let images = Tensor::<Train, 3>::zeros([1, 6, 8], &DEVICE);
    init(&VitConfig::default(), 7).forward(images, None);
}
