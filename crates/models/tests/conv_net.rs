//! The convolutional net against PyTorch, and its running statistics as state.

mod common;

use std::collections::BTreeMap;

use burn::module::{AutodiffModule, Module};
use burn::tensor::{DType, Tensor, TensorData};
use common::{DEVICE, Descend, Train};
use dacapo_dora::DoraTargets;
use dacapo_models::{ConvNet, ConvNetConfig, Digits, ModelsError, cross_entropy};
use dacapo_rng::{DropoutKey, Stream};
use serde_json::Value;

fn init(seed: u64) -> ConvNet<Train> {
    let config = ConvNetConfig {
        dropout: 0.25,
        ..ConvNetConfig::default()
    };
    let mut stream = Stream::named(seed, "init");
    ConvNet::init(&config, &mut stream, &DEVICE).unwrap()
}

fn batch(step: usize) -> (Tensor<Train, 3>, Vec<usize>) {
    let digits = Digits::embedded().unwrap();
    let indices: Vec<usize> = (step * 20..step * 20 + 20).collect();
    let images = digits.batch(&indices, &DEVICE).unwrap();
    (images, digits.targets(&indices).unwrap())
}

fn step(model: ConvNet<Train>, number: usize) -> ConvNet<Train> {
    let (images, targets) = batch(number);
    let key = DropoutKey::new(3, "dropout", number as u64, 0);
    let loss = cross_entropy(model.forward(images, Some(&key)), &targets).unwrap();
    let gradients = loss.backward();
    model.map(&mut Descend {
        gradients: &gradients,
        lr: 0.002,
    })
}

fn buffers(model: &ConvNet<Train>) -> BTreeMap<String, TensorData> {
    let buffers = model.buffers().into_iter();
    buffers
        .map(|(path, value)| (path, value.into_data()))
        .collect()
}

fn golden(dtype: DType, tolerance: f64) {
    let file: Value = serde_json::from_str(include_str!("golden/convnet.json")).unwrap();
    for (name, case) in file["cases"].as_object().unwrap() {
        let channels = common::sizes(&case["channels"]);
        let config = ConvNetConfig {
            image_size: common::size(&case["image_size"]),
            channels: [channels[0], channels[1]],
            classes: common::size(&case["classes"]),
            dropout: 0.0,
        };
        let mut stream = Stream::named(0, "init");
        let model = ConvNet::<Train>::init(&config, &mut stream, &DEVICE).unwrap();
        let model = common::fill(model, dtype);
        let count = common::size(&case["batch"]);
        let images = |which: &str| {
            let path = format!("{name}.images.{which}");
            common::images::<Train>(&path, count, config.image_size, dtype)
        };
        let check = |what: &str, found: &TensorData, golden: &Value| {
            common::assert_close(what, found, &common::numbers(golden), tolerance);
        };

        for (number, batch) in case["batches"].as_array().unwrap().iter().enumerate() {
            let logits = model.forward(images(&number.to_string()), None);
            assert_eq!(logits.dtype(), dtype);
            check("logits", &logits.to_data(), &batch["logits"]);
            let loss = cross_entropy(logits, &common::sizes(&batch["targets"])).unwrap();
            check("loss", &loss.to_data(), &batch["loss"]);
            let gradients = common::gradients(&model, &loss.backward());
            common::assert_gradients(&gradients, &batch["gradients"], tolerance);
            let found = buffers(&model);
            let golden = batch["buffers"].as_object().unwrap();
            assert!(found.keys().eq(golden.keys()));
            for (path, data) in &found {
                check(path, data, &golden[path]);
            }
        }
        let logits = model.valid().forward(images("eval").inner(), None);
        check("evaluation", &logits.into_data(), &case["evaluation"]);
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
    assert_eq!(common::values(&init(7)), common::values(&init(7)));
    assert_ne!(common::values(&init(7)), common::values(&init(8)));
    let mut stream = Stream::named(7, "init");
    let model = ConvNet::<Train>::init(&ConvNetConfig::default(), &mut stream, &DEVICE).unwrap();
    // One draw for each value but those of the norms (gamma, beta, mean, var).
    let drawn = model.num_params() - 4 * (8 + 16);
    assert_eq!(stream.position(), drawn as u64);
}

#[test]
fn a_visitor_sees_the_statistics_of_the_step_before() {
    let model = init(7);
    let initial = buffers(&model);
    for number in 0..3 {
        model.forward(batch(number).0, None);
        let found = common::values(&model);
        let settled = buffers(&model);
        for (path, data) in &settled {
            assert_eq!(&found[path], data, "step {number}, {path}");
            assert_ne!(&initial[path], data, "step {number}, {path}");
        }
        let record = model.clone().into_record();
        let of_record = record.norm2.running_var.val().into_data();
        assert_eq!(of_record, settled["norm2.running_var"]);
    }
}

#[test]
fn evaluation_moves_the_statistics() {
    let model = step(init(7), 0);
    let before = common::values(&model);
    let plain = model.valid();
    plain.forward(batch(1).0.inner(), None);
    assert_eq!(before, common::values(&model));
    let after = plain.buffers().into_iter();
    for (path, value) in after {
        assert_eq!(before[&path], value.into_data());
    }
}

#[test]
fn training_a_copy_moves_the_original() {
    let model = step(init(7), 0);
    let before = common::values(&model);
    let copy = model.clone().with_buffers(model.buffers()).unwrap();
    assert_eq!(before, common::values(&copy));
    let copy = step(copy, 1);
    assert_eq!(before, common::values(&model));
    assert_ne!(before, common::values(&copy));
}

#[test]
fn a_resumed_model_misses_a_statistic() {
    let mut whole = init(7);
    for number in 0..4 {
        whole = step(whole, number);
    }
    let halfway = step(step(init(7), 0), 1);
    let mut resumed = init(99).load_record(halfway.into_record());
    for number in 2..4 {
        resumed = step(resumed, number);
    }
    assert_eq!(common::values(&whole), common::values(&resumed));

    // And it would be seen: with fresh statistics the end is another one.
    let halfway = step(step(init(7), 0), 1);
    let mut reset = halfway.with_buffers(init(7).buffers()).unwrap();
    for number in 2..4 {
        reset = step(reset, number);
    }
    assert_ne!(buffers(&whole), buffers(&reset));
}

#[test]
fn buffers_of_another_model_are_taken() {
    let model = init(7);
    let refused = |buffers| match model.clone().with_buffers(buffers).unwrap_err() {
        error @ ModelsError::Buffer { .. } => error.to_string(),
        other => panic!("{other}"),
    };
    let mut missing = model.buffers();
    missing.remove("norm2.running_mean");
    assert!(refused(missing).starts_with("buffer `norm2.running_mean`: expected F32 of [16]"));
    let mut extra = model.buffers();
    extra.insert("norm3.running_mean".to_owned(), Tensor::zeros([8], &DEVICE));
    assert!(refused(extra).starts_with("buffer `norm3.running_mean`: expected no such buffer"));
    let mut shape = model.buffers();
    shape.insert("norm1.running_var".to_owned(), Tensor::zeros([9], &DEVICE));
    assert!(refused(shape).contains("expected F32 of [8], found F32 of [9]"));
    let mut dtype = model.buffers();
    let wide = Tensor::zeros([8], (&DEVICE, DType::F64));
    dtype.insert("norm1.running_var".to_owned(), wide);
    assert!(refused(dtype).contains("expected F32 of [8], found F64 of [8]"));
}

#[test]
fn dropout_depends_on_more_than_its_key() {
    let model = init(7).valid();
    let images = batch(0).0.inner();
    let run = |key: Option<&DropoutKey>| model.forward(images.clone(), key).into_data();
    let key = DropoutKey::new(1, "dropout", 5, 0);
    assert_eq!(run(Some(&key)), run(Some(&key)));
    assert_ne!(
        run(Some(&key)),
        run(Some(&DropoutKey::new(1, "dropout", 6, 0)))
    );
    assert_ne!(run(Some(&key)), run(None));
}

#[test]
fn two_backward_passes_differ() {
    let run = || common::values(&step(init(7), 0));
    assert_eq!(run(), run());
}

#[test]
fn the_head_cannot_be_adapted() {
    let mut paths = Vec::new();
    init(7)
        .map_linears(&mut |path: &str, linear| {
            paths.push(path.to_owned());
            Ok(linear)
        })
        .unwrap();
    assert_eq!(paths, ["head"]);
}

#[test]
fn training_does_not_learn() {
    let mut model = init(7);
    let (images, targets) = batch(0);
    let loss = |model: &ConvNet<Train>| {
        let logits = model.valid().forward(images.clone().inner(), None);
        let loss = cross_entropy(logits, &targets).unwrap();
        loss.into_data().iter::<f64>().next().unwrap()
    };
    let first = loss(&model);
    for _ in 0..30 {
        model = step(model, 0);
    }
    assert!(loss(&model) < 0.5 * first, "{first} to {}", loss(&model));
}

#[test]
#[should_panic(expected = "expected images of 8x8, found 8x6")]
fn images_of_another_size_are_read() {
    let images = Tensor::<Train, 3>::zeros([1, 8, 6], &DEVICE);
    init(7).forward(images, None);
}
