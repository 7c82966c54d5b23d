//! Embeddings: against PEFT (`golden/embedding.py`), degenerate dimensions, merging.

mod common;

use burn::module::{Module, Param};
use burn::nn::Embedding;
use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};
use common::differences::assert_slope;
use common::golden::{Array, tensor};
use common::*;
use dacapo_dora::{DoraAdapter, DoraConfig, DoraEmbedding, DoraError, Flavour};
use dacapo_ops::Precision;
use proptest::prelude::*;
use serde::Deserialize;

const F32: DType = DType::F32;
const F64: DType = DType::F64;

#[derive(Deserialize)]
struct Golden {
    peft: Option<String>,
    checked_against_peft: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    rank: usize,
    alpha: f64,
    ids: Array,
    w: Array,
    m: Array,
    lora_a: Array,
    lora_b: Array,
    r: Array,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    y: Array,
    merged: Array,
    d_m: Array,
    d_lora_a: Array,
    d_lora_b: Array,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/embedding.json")).unwrap()
}

fn ids<B: Backend>(values: Vec<i64>, shape: [usize; 2], device: &B::Device) -> Tensor<B, 2, Int> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// `[n, tokens]` ids below `vocabulary`, with repetitions.
fn some_ids<B: Backend>(
    shape: [usize; 2],
    vocabulary: usize,
    device: &B::Device,
) -> Tensor<B, 2, Int> {
    let mut stream = stream("ids");
    let values = (0..shape[0] * shape[1]).map(|_| stream.below(vocabulary as u64) as i64);
    ids(values.collect(), shape, device)
}

/// An embedding of the given dtype; `zero` is a dimension whose weights are 0.
fn embedding<B: Backend>(
    vocabulary: usize,
    d: usize,
    dtype: DType,
    zero: Option<usize>,
    device: &B::Device,
) -> DoraEmbedding<B> {
    let linear = layer(vocabulary, d, false, dtype, zero, device);
    DoraEmbedding::from_weight(linear.weight)
}

/// An adapted embedding whose tensors are all away from their first values.
fn adapted<B: Backend>(vocabulary: usize, d: usize, dtype: DType) -> DoraEmbedding<B> {
    let device = B::Device::default();
    let rank = 1 + (vocabulary * d) % vocabulary.min(d);
    let mut layer = embedding::<B>(vocabulary, d, dtype, Some(0), &device)
        .attach(
            &config(Flavour::Peft, rank, 0.0),
            "tokens",
            &mut stream("init"),
        )
        .unwrap();
    let adapter = layer.adapter.as_mut().unwrap();
    let (a, m) = (&mut adapter.lora_a, &mut adapter.magnitude);
    *a = Param::from_tensor(uniform([rank, vocabulary], "a", dtype, &device));
    *m = m
        .take()
        .map(|m| Param::from_tensor((m.val() + 0.5).detach()));
    layer
}

fn check(dtype: DType, tolerance: f64) {
    let device = device();
    for case in golden().cases {
        let weight = tensor::<Ad, 2>(&case.w, dtype, &device);
        let config = DoraConfig {
            alpha: case.alpha,
            ..config(Flavour::Peft, case.rank, 0.0)
        };
        let adapter = DoraAdapter::from_tensors(
            weight.dims(),
            &config,
            "golden",
            tensor::<Ad, 1>(&case.m, dtype, &device),
            tensor(&case.lora_a, dtype, &device),
            tensor(&case.lora_b, dtype, &device),
        )
        .unwrap();
        let layer = DoraEmbedding::from_weight(Param::from_tensor(weight))
            .with_adapter(adapter)
            .unwrap();
        let shape = case.ids.shape.clone().try_into().unwrap();
        let ids = case.ids.values.iter().map(|&id| id as i64).collect();
        let ids = self::ids::<Ad>(ids, shape, &device);
        let y = layer.forward(ids);
        assert_eq!(y.dtype(), dtype);
        let grads = (y.clone() * tensor(&case.r, dtype, &device))
            .sum()
            .backward();
        let adapter = layer.adapter.as_ref().unwrap();
        let expected = &case.expected;
        for (what, found, expected) in [
            ("y", values(y), &expected.y),
            ("merged", values(layer.merged_weight()), &expected.merged),
            (
                "d_m",
                values(magnitude(adapter).grad(&grads).unwrap()),
                &expected.d_m,
            ),
            (
                "d_lora_a",
                values(adapter.lora_a.val().grad(&grads).unwrap()),
                &expected.d_lora_a,
            ),
            (
                "d_lora_b",
                values(adapter.lora_b.val().grad(&grads).unwrap()),
                &expected.d_lora_b,
            ),
        ] {
            let error = relative_error(&found, &expected.values);
            assert!(error <= tolerance, "{}: {what} by {error:e}", case.name);
        }
    }
}

#[test]
fn formulas_differ_from_peft_in_f64() {
    check(F64, 1e-12);
}

#[test]
fn formulas_differ_from_peft_in_f32() {
    check(F32, 1e-5);
}

#[test]
fn golden_file_was_not_checked_against_the_peft_package() {
    let golden = golden();
    assert_eq!(golden.cases.len(), 4);
    assert!(golden.peft.is_some() && golden.checked_against_peft == 3);
}

#[test]
fn attaching_changes_a_bit_of_the_output() {
    let device = device();
    for (vocabulary, d) in [(1, 1), (3, 5), (17, 8), (130, 67), (300, 257)] {
        for dtype in [F32, F64, DType::BF16] {
            let base = embedding::<Plain>(vocabulary, d, dtype, Some(d / 2), &device);
            let ids = some_ids::<Plain>([4, 9], vocabulary, &device);
            let before = base.forward(ids.clone());
            let config = config(Flavour::Peft, 1, 0.25);
            let layer = base.attach(&config, "tokens", &mut stream("init")).unwrap();
            let after = layer.forward(ids.clone());
            let name = format!("{vocabulary} -> {d} in {dtype:?}");
            assert_eq!(bits(before.clone()), bits(after), "{name}");
            assert_eq!(bits(before), bits(layer.merge().forward(ids)), "{name}");
        }
    }
}

#[test]
fn half_precision_weight_takes_its_magnitude_along() {
    let layer = adapted::<Plain>(40, 12, DType::BF16);
    let adapter = layer.adapter.as_ref().unwrap();
    assert_eq!(magnitude(adapter).dtype(), F32);
    assert_eq!(adapter.lora_a.val().dtype(), DType::BF16);
    let y = layer.forward(some_ids([2, 3], 40, &device()));
    assert_eq!(y.dtype(), DType::BF16);
}

#[test]
fn initial_values_are_other_than_pefts() {
    let device = device();
    for dtype in [F32, F64] {
        let mut drawn = stream("init");
        let layer = embedding::<Plain>(50, 30, dtype, None, &device)
            .attach(&config(Flavour::Peft, 4, 0.0), "tokens", &mut drawn)
            .unwrap();
        let adapter = layer.adapter.unwrap();
        assert_eq!(adapter.lora_a.val().dims(), [4, 50]);
        assert!(values(adapter.lora_a.val()).iter().all(|&v| v == 0.0));
        assert_eq!(adapter.lora_b.val().dims(), [30, 4]);
        let mut expected = stream("init");
        let rounded = |v: f64| if dtype == F32 { f64::from(v as f32) } else { v };
        let normal: Vec<f64> = (0..30 * 4)
            .map(|_| rounded(expected.normal_f64()))
            .collect();
        assert_eq!(values(adapter.lora_b.val()), normal);
        assert_eq!(drawn.position(), expected.position());
        let norm = values(layer.weight.val().square().sum_dim(0).sqrt());
        assert_eq!(values(magnitude(&adapter)), norm);
    }
}

#[test]
fn init_draws_in_another_order_or_distribution() {
    let mut drawn = stream("init");
    let layer = DoraEmbedding::<Plain>::init(5, 3, &mut drawn, &device());
    let mut expected = stream("init");
    let normal: Vec<f64> = (0..15)
        .map(|_| f64::from(expected.normal_f64() as f32))
        .collect();
    assert_eq!(values(layer.weight.val()), normal);
    assert_eq!((layer.vocabulary(), layer.d_model()), (5, 3));
    assert_eq!(drawn.position(), 30);
}

#[test]
fn zero_or_vanishing_dimension_gives_nan() {
    let device = device();
    for scale in [0.0, 1e-42, 1e-30, 1e-22, 1e-19, 1e-10] {
        let mut base = embedding::<Ad>(8, 5, F32, Some(2), &device);
        base.weight = base.weight.map(|w| Tensor::from_inner(w.inner() * scale));
        let layer = base
            .attach(
                &config(Flavour::Peft, 3, 0.0),
                "tokens",
                &mut stream("init"),
            )
            .unwrap();
        let y = layer.forward(some_ids([4, 3], 8, &device));
        let grads = y.clone().sum().backward();
        let adapter = layer.adapter.as_ref().unwrap();
        let d_a = values(adapter.lora_a.val().grad(&grads).unwrap());
        for (what, values) in [
            ("y", values(y)),
            ("d_m", values(magnitude(adapter).grad(&grads).unwrap())),
            ("d_a", d_a.clone()),
            ("d_b", values(adapter.lora_b.val().grad(&grads).unwrap())),
        ] {
            assert!(
                values.iter().all(|v| v.is_finite()),
                "scale {scale:e}: {what} {values:?}"
            );
        }
        assert!(
            d_a.iter().any(|&v| v != 0.0),
            "scale {scale:e} never trains"
        );
    }
}

/// With n held where it is, as PEFT detaches it: m is moved along with it.
#[test]
fn gradient_is_not_the_slope() {
    let device = device();
    let layer = adapted::<Ad>(7, 4, F64);
    let ids = || some_ids::<Ad>([3, 5], 7, &device);
    let r = uniform::<Ad, 3>([3, 5, 4], "r", F64, &device);
    let loss = (layer.forward(ids()) * r.clone()).sum();
    let grads = loss.backward();
    let adapter = layer.adapter.clone().unwrap();
    let tensors = || {
        (
            magnitude(&adapter),
            adapter.lora_a.val(),
            adapter.lora_b.val(),
        )
    };
    let norm = |a: Tensor<Ad, 2>, b: Tensor<Ad, 2>| {
        let update = (b.matmul(a)).transpose() * adapter.config().scaling();
        let v = layer.weight.val() + update;
        v.square().sum_dim(0).sqrt().reshape([4])
    };
    let (m, a, b) = tensors();
    let n = norm(a.clone(), b.clone());
    let loss = |m: Tensor<Ad, 1>, a: Tensor<Ad, 2>, b: Tensor<Ad, 2>| {
        let m = m * norm(a.clone(), b.clone()) / n.clone();
        let moved = DoraAdapter::from_tensors([7, 4], adapter.config(), "tokens", m, a, b).unwrap();
        let moved = layer.clone().detach().with_adapter(moved).unwrap();
        values((moved.forward(ids()) * r.clone()).sum())[0]
    };
    let one = |data: &[f64]| Tensor::from_data(data, (&device, F64));
    let two = |data: &[f64], like: &Tensor<Ad, 2>| {
        Tensor::from_data(TensorData::new(data.to_vec(), like.dims()), (&device, F64))
    };
    let gradient = values(m.grad(&grads).unwrap());
    assert_slope("m", &values(m.clone()), &gradient, |data| {
        loss(one(data), a.clone(), b.clone())
    });
    let gradient = values(a.grad(&grads).unwrap());
    assert_slope("lora_a", &values(a.clone()), &gradient, |data| {
        loss(m.clone(), two(data, &a), b.clone())
    });
    let gradient = values(b.grad(&grads).unwrap());
    assert_slope("lora_b", &values(b.clone()), &gradient, |data| {
        loss(m.clone(), a.clone(), two(data, &b))
    });
}

#[test]
fn gradient_reaches_the_frozen_base_or_not_the_free_one() {
    let device = device();
    let free = embedding::<Ad>(6, 4, F32, None, &device);
    let grads = free.forward(some_ids([2, 3], 6, &device)).sum().backward();
    assert!(free.weight.val().grad(&grads).is_some());
    let mut layer = adapted::<Ad>(6, 4, F32);
    assert!(!layer.weight.is_require_grad());
    // Not even if somebody thaws it.
    layer.weight = layer.weight.set_require_grad(true);
    let grads = layer.forward(some_ids([2, 3], 6, &device)).sum().backward();
    assert!(layer.weight.val().grad(&grads).is_none());
}

#[test]
fn id_that_is_not_there_gets_a_gradient() {
    let layer = adapted::<Ad>(6, 4, F32);
    let y = layer.forward(ids([1, 4, 1].to_vec(), [1, 3], &device()));
    let grads = y.sum().backward();
    let d_a = layer.adapter.unwrap().lora_a.val().grad(&grads).unwrap();
    let [rank, vocabulary] = d_a.dims();
    let d_a = values(d_a);
    for row in 0..rank {
        for id in 0..vocabulary {
            let zero = d_a[row * vocabulary + id] == 0.0;
            assert_eq!(zero, ![1, 4].contains(&id), "A[{row}, {id}]");
        }
    }
}

#[test]
#[should_panic(expected = "out of bounds")]
fn id_beyond_the_vocabulary_is_looked_up() {
    adapted::<Plain>(6, 4, F32).forward(ids(vec![6], [1, 1], &device()));
}

#[test]
fn unmerging_or_detaching_leaves_a_trace() {
    let layer = adapted::<Plain>(40, 24, F32);
    let ids = || some_ids::<Plain>([7, 3], 40, &device());
    let adapted = bits(layer.forward(ids()));
    let weight = bits(layer.weight.val());
    let merged = layer.merge();
    assert!(merged.is_merged());
    assert_eq!(bits(merged.weight.val()), weight, "base kept");
    let unmerged = merged.unmerge();
    assert_eq!(bits(unmerged.forward(ids())), adapted);
    let plain = unmerged.merge().detach();
    assert!(!plain.is_merged());
    assert_eq!(bits(plain.weight.val()), weight);
    let expected = Embedding {
        weight: plain.weight.clone(),
    };
    assert_eq!(bits(plain.forward(ids())), bits(expected.forward(ids())));
}

#[test]
fn stale_merged_weight_survives_new_parameters_or_another_precision() {
    let merged = adapted::<Plain>(6, 5, F32).merge();
    let record = merged.clone().into_record();
    assert!(!merged.clone().load_record(record).is_merged());
    assert!(!merged.clone().no_grad().is_merged());
    let other = merged.with_precision(Precision::Bf16);
    assert!(!other.is_merged());
    assert_eq!(other.precision(), Precision::Bf16);
}

#[test]
fn precision_does_not_reach_the_product() {
    let ids = || some_ids::<Plain>([7, 3], 40, &device());
    let exact = adapted::<Plain>(40, 24, F32);
    let rounded = exact.clone().with_precision(Precision::Bf16);
    let (exact, rounded) = (exact.forward(ids()), rounded.forward(ids()));
    assert_ne!(bits(exact.clone()), bits(rounded.clone()));
    assert!(relative_error(&values(rounded), &values(exact)) < 0.02);
}

#[test]
fn parameters_lie_at_other_paths() {
    let layer = adapted::<Plain>(6, 5, F32).merge();
    let expected = [
        "weight",
        "adapter.magnitude",
        "adapter.lora_a",
        "adapter.lora_b",
    ];
    assert_eq!(paths(&layer), expected);
}

#[test]
fn plain_burn_layer_computes_something_else() {
    let burn = burn::nn::EmbeddingConfig::new(9, 4).init::<Plain>(&device());
    let ids = || some_ids::<Plain>([2, 5], 9, &device());
    let (id, expected) = (burn.weight.id, bits(burn.forward(ids())));
    let layer = DoraEmbedding::from_embedding(burn);
    assert_eq!(layer.weight.id, id);
    assert_eq!(bits(layer.forward(ids())), expected);
    assert_eq!(layer.into_embedding().weight.id, id);
    let merged = adapted::<Plain>(9, 4, F32).merge();
    let expected = bits(merged.forward(ids()));
    assert_eq!(bits(merged.into_embedding().forward(ids())), expected);
}

#[test]
fn refused_adapter_is_attached_or_draws() {
    let device = device();
    let new = || embedding::<Plain>(6, 4, F32, None, &device);
    let mut drawn = stream("init");
    let good = config(Flavour::Peft, 2, 0.0);

    let error = new().attach(&config(Flavour::ClipHba, 2, 0.0), "tokens", &mut drawn);
    let error = error.unwrap_err();
    let expected = DoraError::UnsupportedFlavour {
        path: "tokens".into(),
        kind: "embedding",
        found: Flavour::ClipHba,
    };
    assert_eq!(error, expected);
    let message = error.to_string();
    assert!(message.contains("`tokens`") && message.contains("Peft"));
    let foreign = DoraAdapter::from_tensors(
        [6, 4],
        &config(Flavour::ClipHba, 2, 0.0),
        "old",
        Tensor::ones([4], &device),
        Tensor::ones([2, 6], &device),
        Tensor::ones([4, 2], &device),
    );
    let error = new().with_adapter(foreign.unwrap()).unwrap_err();
    assert!(matches!(&error, DoraError::UnsupportedFlavour { path, .. } if path == "old"));

    let error = new().attach(&config(Flavour::Peft, 5, 0.0), "tokens", &mut drawn);
    let error = error.unwrap_err();
    let found = matches!(
        &error,
        DoraError::RankTooLarge {
            d_in: 6,
            d_out: 4,
            ..
        }
    );
    assert!(found, "{error}");

    let mut broken = new();
    broken.weight = broken.weight.map(|w| {
        let nan = Tensor::from_data([[f32::NAN]], &w.device());
        w.slice_assign([2..3, 1..2], nan)
    });
    let error = broken.attach(&good, "tokens", &mut drawn).unwrap_err();
    let found = matches!(&error, DoraError::NonFiniteNorm { channel: 1, .. });
    assert!(found, "{error}");
    assert_eq!(drawn.position(), 0);

    let layer = new().attach(&good, "old", &mut drawn).unwrap();
    let adapter = layer.adapter.clone().unwrap();
    let error = layer.attach(&good, "tokens", &mut drawn).unwrap_err();
    let expected = DoraError::AlreadyAttached {
        path: "tokens".into(),
        attached: "old".into(),
    };
    assert_eq!(error, expected);
    let wider = embedding::<Plain>(7, 4, F32, None, &device);
    let error = wider.with_adapter(adapter).unwrap_err().to_string();
    assert!(error.contains("`old.lora_a`"), "{error}");
}

#[test]
fn bits_depend_on_the_number_of_threads() {
    let run = || {
        let layer = adapted::<Ad>(3000, 256, F32);
        let y = layer.forward(some_ids([16, 64], 3000, &device()));
        let grads = (y.clone() * y.clone()).sum().backward();
        let adapter = layer.adapter.as_ref().unwrap();
        [
            bits(y),
            bits(layer.merged_weight()),
            bits(magnitude(adapter).grad(&grads).unwrap()),
            bits(adapter.lora_a.val().grad(&grads).unwrap()),
            bits(adapter.lora_b.val().grad(&grads).unwrap()),
        ]
    };
    let alone = in_threads(1, run);
    for threads in [2, 3, 8] {
        assert!(in_threads(threads, run) == alone, "{threads} threads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merged_embedding_computes_another_function(
        vocabulary in 1_usize..40,
        d in 1_usize..40,
        n in 1_usize..5,
        tokens in 1_usize..9,
    ) {
        for (dtype, tolerance) in [(F64, 1e-14), (F32, 1e-6), (DType::BF16, 1e-2)] {
            let layer = adapted::<Plain>(vocabulary, d, dtype);
            let ids = || some_ids::<Plain>([n, tokens], vocabulary, &device());
            let expected = layer.forward(ids());
            prop_assert_eq!(expected.dims(), [n, tokens, d]);
            let merged = layer.clone().merge();
            let found = values(merged.forward(ids()));
            prop_assert!(relative_error(&found, &values(expected.clone())) <= tolerance);
            let norm = values(layer.merged_weight().cast(F64).square().sum_dim(0).sqrt());
            let magnitude = values(magnitude(&layer.adapter.unwrap()));
            prop_assert!(relative_error(&norm, &magnitude) <= 4.0 * tolerance);
            prop_assert_eq!(bits(merged.unmerge().forward(ids())), bits(expected));
        }
    }
}
