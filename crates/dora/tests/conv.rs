//! Convolutions: against PEFT (`golden/conv.py`), degenerate channels, merging, threads.

mod common;

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2dConfig;
use burn::tensor::{DType, Tensor, TensorData, backend::Backend};
use common::differences::assert_slope;
use common::golden::{Array, tensor};
use common::*;
use dacapo_dora::{ConvGeometry, DoraConfig, DoraConv2d, DoraConvAdapter, DoraError, Flavour};
use dacapo_rng::DropoutKey;
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
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
    groups: usize,
    x: Array,
    w: Array,
    b: Option<Array>,
    m: Array,
    lora_a: Array,
    lora_b: Array,
    rate: f64,
    mask: Option<Array>,
    r: Array,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    y: Array,
    merged: Array,
    d_x: Array,
    d_m: Array,
    d_lora_a: Array,
    d_lora_b: Array,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("golden/conv.json")).unwrap()
}

fn explicit([rows, columns]: [usize; 2]) -> PaddingConfig2d {
    PaddingConfig2d::Explicit(rows, columns, rows, columns)
}

/// `zero` is an output channel whose weights are 0.
fn conv<B: Backend>(
    [inputs, outputs]: [usize; 2],
    [height, width]: [usize; 2],
    geometry: ConvGeometry,
    dtype: DType,
    zero: Option<usize>,
) -> DoraConv2d<B> {
    let device = B::Device::default();
    let shape = [outputs, inputs / geometry.groups, height, width];
    let mut weight = uniform::<B, 4>(shape, "weight", dtype, &device);
    if let Some(channel) = zero {
        let zeros = Tensor::zeros([1, shape[1], height, width], (&device, dtype));
        let place = [channel..channel + 1, 0..shape[1], 0..height, 0..width];
        weight = weight.slice_assign(place, zeros);
    }
    let bias = Param::from_tensor(uniform([outputs], "bias", dtype, &device));
    DoraConv2d::from_params(Param::from_tensor(weight), Some(bias), geometry)
}

/// An adapted layer whose tensors are all away from their first values.
fn adapted<B: Backend>(
    channels: [usize; 2],
    kernel: [usize; 2],
    geometry: ConvGeometry,
    rank: usize,
    dtype: DType,
) -> DoraConv2d<B> {
    let config = config(Flavour::Peft, rank, 0.5);
    let mut layer = conv::<B>(channels, kernel, geometry, dtype, Some(0))
        .attach(&config, "conv", &mut stream("init"))
        .unwrap();
    let adapter = layer.adapter.as_mut().unwrap();
    let (b, m) = (&mut adapter.lora_b, &mut adapter.magnitude);
    *b = Param::from_tensor(uniform(b.dims(), "b", dtype, &b.device()));
    *m = Param::from_tensor((m.val() + 0.5).detach());
    layer
}

fn grouped(groups: usize) -> ConvGeometry {
    ConvGeometry {
        padding: explicit([1, 1]),
        groups,
        ..ConvGeometry::default()
    }
}

fn check(dtype: DType, tolerance: f64) {
    let device = device();
    for case in golden().cases {
        let weight = tensor::<Ad, 4>(&case.w, dtype, &device);
        let config = DoraConfig {
            alpha: case.alpha,
            ..config(Flavour::Peft, case.rank, case.rate)
        };
        let geometry = ConvGeometry {
            stride: case.stride,
            padding: explicit(case.padding),
            dilation: case.dilation,
            groups: case.groups,
        };
        let adapter = DoraConvAdapter::from_tensors(
            weight.dims(),
            case.groups,
            &config,
            "golden",
            tensor::<Ad, 1>(&case.m, dtype, &device),
            tensor(&case.lora_a, dtype, &device),
            tensor(&case.lora_b, dtype, &device),
        )
        .unwrap();
        let bias = (case.b.as_ref()).map(|b| Param::from_tensor(tensor(b, dtype, &device)));
        let layer = DoraConv2d::from_params(Param::from_tensor(weight), bias, geometry)
            .with_adapter(adapter)
            .unwrap();
        let x = tensor::<Ad, 4>(&case.x, dtype, &device).require_grad();
        let mask = (case.mask.as_ref())
            .map(|mask| mask.values.iter().map(|&v| v as f32).collect::<Vec<_>>());
        let y = layer.forward_masked(x.clone(), mask);
        assert_eq!(y.dtype(), dtype);
        let r = tensor(&case.r, dtype, &device);
        let grads = (y.clone() * r).sum().backward();
        let adapter = layer.adapter.as_ref().unwrap();
        let expected = &case.expected;
        let magnitude = adapter.magnitude.val();
        let (lora_a, lora_b) = (adapter.lora_a.val(), adapter.lora_b.val());
        for (what, found, expected) in [
            ("y", values(y), &expected.y),
            ("merged", values(layer.merged_weight()), &expected.merged),
            ("d_x", values(x.grad(&grads).unwrap()), &expected.d_x),
            (
                "d_m",
                values(magnitude.grad(&grads).unwrap()),
                &expected.d_m,
            ),
            (
                "d_a",
                values(lora_a.grad(&grads).unwrap()),
                &expected.d_lora_a,
            ),
            (
                "d_b",
                values(lora_b.grad(&grads).unwrap()),
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
    assert_eq!(golden.cases.len(), 9);
    assert!(golden.peft.is_some() && golden.checked_against_peft == 6);
}

/// Of geometries for each way in which `Flex` computes a convolution: pointwise, by depth, of few
/// channels, along a line, and by a matrix product.
fn geometries() -> Vec<([usize; 2], [usize; 2], ConvGeometry)> {
    let strided = ConvGeometry {
        stride: [2, 1],
        padding: PaddingConfig2d::Explicit(1, 0, 2, 1),
        ..ConvGeometry::default()
    };
    let same = ConvGeometry {
        padding: PaddingConfig2d::Same,
        ..ConvGeometry::default()
    };
    let dilated = ConvGeometry {
        dilation: [2, 3],
        ..ConvGeometry::default()
    };
    vec![
        ([1, 2], [1, 1], ConvGeometry::default()),
        ([24, 16], [1, 1], ConvGeometry::default()),
        ([6, 6], [3, 3], grouped(6)),
        ([3, 8], [3, 3], grouped(1)),
        ([12, 20], [1, 5], ConvGeometry::default()),
        ([16, 24], [3, 3], strided),
        ([8, 12], [2, 4], same),
        ([8, 12], [3, 2], dilated),
        ([8, 12], [3, 3], grouped(4)),
    ]
}

#[test]
fn attaching_changes_a_bit_of_the_output() {
    for (channels, kernel, geometry) in geometries() {
        for dtype in [F32, F64, DType::BF16] {
            let name = format!("{channels:?} by {kernel:?} in {dtype:?}, {geometry:?}");
            let rank = geometry.groups;
            let zero = Some(channels[1] / 2);
            let base = conv::<Plain>(channels, kernel, geometry.clone(), dtype, zero);
            let x = uniform::<Plain, 4>([2, channels[0], 9, 11], "x", dtype, &device());
            let before = bits(base.forward(x.clone(), None));
            let config = config(Flavour::Peft, rank, 0.25);
            let layer = base.attach(&config, "conv", &mut stream("init")).unwrap();
            assert_eq!(before, bits(layer.forward(x.clone(), None)), "{name}");
            let key = DropoutKey::new(1, "dropout", 2, 0);
            let dropped = layer.forward(x.clone(), Some(&key));
            assert_eq!(before, bits(dropped), "{name}, dropout");
            assert_eq!(before, bits(layer.merge().forward(x, None)), "{name}");
        }
    }
}

#[test]
fn initial_values_are_other_than_pefts() {
    for (dtype, groups) in [(F32, 1), (F64, 2)] {
        let mut drawn = stream("init");
        let layer = conv::<Plain>([6, 4], [3, 2], grouped(groups), dtype, None)
            .attach(&config(Flavour::Peft, 4, 0.0), "conv", &mut drawn)
            .unwrap();
        let adapter = layer.adapter.unwrap();
        assert_eq!(adapter.lora_a.val().dims(), [4, 6 / groups, 3, 2]);
        assert_eq!(adapter.lora_b.val().dims(), [4, 4 / groups, 1, 1]);
        assert!(values(adapter.lora_b.val()).iter().all(|&v| v == 0.0));
        let mut expected = stream("init");
        let count = 4 * 6 / groups * 6;
        let bound = 1.0 / ((6 / groups * 6) as f64).sqrt();
        let rounded = |v: f64| if dtype == F32 { f64::from(v as f32) } else { v };
        let lora_a: Vec<f64> = (0..count)
            .map(|_| rounded((2.0 * expected.uniform_f64() - 1.0) * bound))
            .collect();
        assert_eq!(values(adapter.lora_a.val()), lora_a);
        assert_eq!(drawn.position(), count as u64);
        let square = layer.weight.val().square();
        let norm = values(square.reshape([4, -1]).sum_dim(1).sqrt());
        assert!(relative_error(&values(adapter.magnitude.val()), &norm) < 1e-6);
    }
}

#[test]
fn init_draws_in_another_order_or_range() {
    let mut drawn = stream("init");
    let layer = DoraConv2d::<Plain>::init([4, 6], [3, 2], true, grouped(2), &mut drawn, &device());
    assert_eq!(layer.weight.val().dims(), [6, 2, 3, 2]);
    let mut expected = stream("init");
    let bound = 1.0 / 12.0_f64.sqrt();
    let mut next = || f64::from(((2.0 * expected.uniform_f64() - 1.0) * bound) as f32);
    let weight: Vec<f64> = (0..72).map(|_| next()).collect();
    let bias: Vec<f64> = (0..6).map(|_| next()).collect();
    assert_eq!(values(layer.weight.val()), weight);
    assert_eq!(values(layer.bias.unwrap().val()), bias);
    assert_eq!(drawn.position(), 78);
}

#[test]
fn zero_or_vanishing_channel_gives_nan() {
    let device = device();
    for scale in [0.0, 1e-42, 1e-30, 1e-22, 1e-19, 1e-10] {
        let mut base = conv::<Ad>([3, 5], [3, 3], grouped(1), F32, Some(2));
        base.weight = base.weight.map(|w| Tensor::from_inner(w.inner() * scale));
        let config = config(Flavour::Peft, 3, 0.25);
        let layer = base.attach(&config, "conv", &mut stream("init")).unwrap();
        let x = uniform::<Ad, 4>([2, 3, 6, 5], "x", F32, &device).require_grad();
        let key = DropoutKey::new(1, "dropout", 0, 0);
        for key in [None, Some(&key)] {
            let y = layer.forward(x.clone(), key);
            let grads = (y.clone() * y.clone()).sum().backward();
            let adapter = layer.adapter.as_ref().unwrap();
            let d_b = values(adapter.lora_b.val().grad(&grads).unwrap());
            let magnitude = adapter.magnitude.val().grad(&grads).unwrap();
            for (what, values) in [
                ("y", values(y)),
                ("d_x", values(x.grad(&grads).unwrap())),
                ("d_m", values(magnitude)),
                ("d_a", values(adapter.lora_a.val().grad(&grads).unwrap())),
                ("d_b", d_b.clone()),
            ] {
                let finite = values.iter().all(|v| v.is_finite());
                assert!(finite, "scale {scale:e}: {what} {values:?}");
            }
            assert!(
                d_b.iter().any(|&v| v != 0.0),
                "scale {scale:e} never trains"
            );
        }
    }
}

/// With n held where it is, as PEFT detaches it: m is moved along with it.
#[test]
fn gradient_is_not_the_slope() {
    let device = device();
    for groups in [1, 2] {
        let layer = adapted::<Ad>([4, 4], [2, 3], grouped(groups), 2, F64);
        let x = uniform::<Ad, 4>([2, 4, 3, 4], "x", F64, &device).require_grad();
        let mask = DropoutKey::new(1, "dropout", 0, 0);
        let mask = mask.layer("conv").mask(0.5, 2 * 4 * 3 * 4);
        let r = uniform::<Ad, 4>([2, 4, 4, 4], "r", F64, &device);
        let forward = |layer: &DoraConv2d<Ad>, x| {
            (layer.forward_masked(x, Some(mask.clone())) * r.clone()).sum()
        };
        let grads = forward(&layer, x.clone()).backward();
        let adapter = layer.adapter.clone().unwrap();
        let (m, a, b) = (
            adapter.magnitude.val(),
            adapter.lora_a.val(),
            adapter.lora_b.val(),
        );
        let with = |m, a, b| {
            let shape = layer.weight.val().dims();
            let config = adapter.config();
            let moved = DoraConvAdapter::from_tensors(shape, groups, config, "conv", m, a, b);
            layer.clone().detach().with_adapter(moved.unwrap()).unwrap()
        };
        let norm = |a: &Tensor<Ad, 4>, b: &Tensor<Ad, 4>| {
            let scaling = adapter.config().scaling();
            let a = a.clone().reshape([groups, 2 / groups, 4 / groups * 6]);
            let b = b.clone().reshape([groups, 4 / groups, 2 / groups]);
            let update = b.matmul(a).reshape([4, -1]) * scaling;
            let v = layer.weight.val().reshape([4, -1]) + update;
            v.square().sum_dim(1).sqrt().reshape([4])
        };
        let n = norm(&a, &b);
        let loss = |m: Tensor<Ad, 1>, a: Tensor<Ad, 4>, b: Tensor<Ad, 4>| {
            let m = m * norm(&a, &b) / n.clone();
            values(forward(&with(m, a, b), x.clone()))[0]
        };
        let like = |data: &[f64], like: &Tensor<Ad, 4>| {
            Tensor::from_data(TensorData::new(data.to_vec(), like.dims()), (&device, F64))
        };
        let gradient = values(m.grad(&grads).unwrap());
        assert_slope("m", &values(m.clone()), &gradient, |data| {
            let m = Tensor::from_data(data, (&device, F64));
            loss(m, a.clone(), b.clone())
        });
        let gradient = values(a.grad(&grads).unwrap());
        assert_slope("lora_a", &values(a.clone()), &gradient, |data| {
            loss(m.clone(), like(data, &a), b.clone())
        });
        let gradient = values(b.grad(&grads).unwrap());
        assert_slope("lora_b", &values(b.clone()), &gradient, |data| {
            loss(m.clone(), a.clone(), like(data, &b))
        });
        let gradient = values(x.grad(&grads).unwrap());
        assert_slope("x", &values(x.clone()), &gradient, |data| {
            values(forward(&layer, like(data, &x)))[0]
        });
    }
}

#[test]
fn gradient_reaches_the_frozen_base() {
    let mut layer = adapted::<Ad>([4, 4], [3, 3], grouped(2), 2, F32);
    assert!(!layer.weight.is_require_grad());
    assert!(!layer.bias.as_ref().unwrap().is_require_grad());
    // Not even if somebody thaws it.
    layer.weight = layer.weight.set_require_grad(true);
    let x = uniform::<Ad, 4>([1, 4, 5, 5], "x", F32, &device());
    let grads = layer.forward(x, None).sum().backward();
    assert!(layer.weight.val().grad(&grads).is_none());
    let adapter = layer.adapter.unwrap();
    assert!(adapter.magnitude.val().grad(&grads).is_some());
}

/// A grouped layer is its groups side by side, each a layer of its own.
#[test]
fn groups_mix_channels() {
    let device = device();
    let whole = adapted::<Plain>([6, 4], [3, 3], grouped(2), 4, F64);
    let x = uniform::<Plain, 4>([2, 6, 5, 4], "x", F64, &device);
    let expected = whole.forward(x.clone(), None);
    let adapter = whole.adapter.as_ref().unwrap();
    for (group, expected) in expected.chunk(2, 1).into_iter().enumerate() {
        let half = |t: Tensor<Plain, 4>| t.chunk(2, 0).remove(group);
        let line = |t: Tensor<Plain, 1>| t.chunk(2, 0).remove(group);
        let weight = half(whole.weight.val());
        let config = DoraConfig {
            rank: 2,
            alpha: 2.0 * adapter.config().scaling(),
            ..adapter.config().clone()
        };
        let part = DoraConvAdapter::from_tensors(
            weight.dims(),
            1,
            &config,
            "conv",
            line(adapter.magnitude.val()),
            half(adapter.lora_a.val()),
            half(adapter.lora_b.val()),
        );
        let bias = line(whole.bias.as_ref().unwrap().val());
        let (weight, bias) = (Param::from_tensor(weight), Param::from_tensor(bias));
        let part = DoraConv2d::from_params(weight, Some(bias), grouped(1))
            .with_adapter(part.unwrap())
            .unwrap();
        let found = part.forward(x.clone().chunk(2, 1).remove(group), None);
        assert!(relative_error(&values(found), &values(expected)) < 1e-14);
    }
}

#[test]
fn dropout_mask_is_not_the_keyed_one() {
    let layer = adapted::<Plain>([3, 4], [3, 3], grouped(1), 2, F64);
    let x = uniform::<Plain, 4>([2, 3, 5, 4], "x", F64, &device());
    let key = DropoutKey::new(3, "dropout", 5, 1);
    let mask = key.layer("conv").mask(0.5, 120);
    let keyed = bits(layer.forward(x.clone(), Some(&key)));
    assert_eq!(bits(layer.forward_masked(x.clone(), Some(mask))), keyed);
    let other = DropoutKey::new(3, "dropout", 6, 1);
    assert_ne!(bits(layer.forward(x.clone(), Some(&other))), keyed);
    let evaluated = bits(layer.forward(x.clone(), None));
    assert_ne!(evaluated, keyed);
    let merged = layer.merge();
    assert_eq!(
        bits(merged.forward(x.clone(), Some(&key))),
        bits(merged.forward(x, None))
    );
}

#[test]
fn unmerging_or_detaching_leaves_a_trace() {
    let layer = adapted::<Plain>([6, 8], [3, 3], grouped(2), 4, F32);
    let x = uniform::<Plain, 4>([2, 6, 7, 5], "x", F32, &device());
    let adapted = bits(layer.forward(x.clone(), None));
    let weight = bits(layer.weight.val());
    let merged = layer.merge();
    assert!(merged.is_merged());
    assert_eq!(bits(merged.weight.val()), weight, "base kept");
    let unmerged = merged.unmerge();
    assert_eq!(bits(unmerged.forward(x.clone(), None)), adapted);
    let plain = unmerged.merge().detach();
    let expected = conv::<Plain>([6, 8], [3, 3], grouped(2), F32, Some(0));
    assert_eq!(
        bits(plain.forward(x.clone(), None)),
        bits(expected.forward(x, None))
    );
}

#[test]
fn stale_merged_weight_survives_new_parameters() {
    use burn::module::AutodiffModule;
    let merged = adapted::<Ad>([3, 4], [3, 3], grouped(1), 2, F32).merge();
    let record = merged.clone().into_record();
    assert!(!merged.clone().load_record(record).is_merged());
    assert!(!merged.clone().no_grad().is_merged());
    assert!(merged.valid().is_merged());
}

#[test]
fn parameters_lie_at_other_paths() {
    let layer = adapted::<Plain>([3, 4], [3, 3], grouped(1), 2, F32).merge();
    let expected = [
        "weight",
        "bias",
        "adapter.magnitude",
        "adapter.lora_a",
        "adapter.lora_b",
    ];
    assert_eq!(paths(&layer), expected);
}

#[test]
fn plain_burn_layer_computes_something_else() {
    for (channels, kernel, geometry) in geometries() {
        let burn = Conv2dConfig::new(channels, kernel)
            .with_stride(geometry.stride)
            .with_padding(geometry.padding.clone())
            .with_dilation(geometry.dilation)
            .with_groups(geometry.groups)
            .init::<Plain>(&device());
        let x = uniform::<Plain, 4>([2, channels[0], 9, 11], "x", F32, &device());
        let (id, expected) = (burn.weight.id, bits(burn.forward(x.clone())));
        let layer = DoraConv2d::from_conv(burn);
        assert_eq!(layer.weight.id, id);
        assert_eq!(
            bits(layer.forward(x.clone(), None)),
            expected,
            "{geometry:?}"
        );
        assert_eq!(layer.geometry(), &geometry);
        let plain = layer.into_conv();
        assert_eq!(plain.weight.id, id);
        assert_eq!(bits(plain.forward(x.clone())), expected, "{geometry:?}");
        let rank = geometry.groups;
        let merged = adapted::<Plain>(channels, kernel, geometry, rank, F32).merge();
        let expected = bits(merged.forward(x.clone(), None));
        assert_eq!(bits(merged.into_conv().forward(x)), expected);
    }
}

#[test]
fn refused_adapter_is_attached_or_draws() {
    let device = device();
    let new = |groups| conv::<Plain>([4, 6], [3, 3], grouped(groups), F32, None);
    let mut drawn = stream("init");
    let good = config(Flavour::Peft, 2, 0.0);

    let error = new(1).attach(&config(Flavour::ClipHba, 2, 0.0), "conv", &mut drawn);
    let expected = DoraError::UnsupportedFlavour {
        path: "conv".into(),
        kind: "convolution",
        found: Flavour::ClipHba,
    };
    assert_eq!(error.unwrap_err(), expected);

    let error = new(2).attach(&config(Flavour::Peft, 3, 0.0), "conv", &mut drawn);
    let expected = DoraError::RankOfGroups {
        path: "conv".into(),
        rank: 3,
        groups: 2,
    };
    let error = error.unwrap_err();
    assert_eq!(error, expected);
    let message = error.to_string();
    assert!(message.contains("`conv`") && message.contains("multiple of 2"));

    for groups in [1, 2] {
        let error = new(groups).attach(&config(Flavour::Peft, 8, 0.0), "conv", &mut drawn);
        let error = error.unwrap_err();
        let found = matches!(
            &error,
            DoraError::RankTooLarge {
                d_in: 36,
                d_out: 6,
                ..
            }
        );
        assert!(found, "{error}");
    }

    let mut broken = new(1);
    broken.weight = broken.weight.map(|w| {
        let nan = Tensor::<Plain, 4>::full([1, 1, 1, 1], f32::NAN, &w.device());
        w.slice_assign([1..2, 2..3, 0..1, 1..2], nan)
    });
    let error = broken.attach(&good, "conv", &mut drawn).unwrap_err();
    let found = matches!(&error, DoraError::NonFiniteNorm { channel: 1, .. });
    assert!(found, "{error}");
    assert_eq!(drawn.position(), 0);

    // PEFT's A of a grouped layer is over all inputs.
    let foreign = DoraConvAdapter::<Plain>::from_tensors(
        [6, 2, 3, 3],
        2,
        &good,
        "conv",
        Tensor::ones([6], &device),
        Tensor::ones([2, 4, 3, 3], &device),
        Tensor::ones([6, 1, 1, 1], &device),
    );
    let error = foreign.unwrap_err().to_string();
    assert!(error.contains("`conv.lora_a`"), "{error}");

    let layer = new(1).attach(&good, "old", &mut drawn).unwrap();
    let adapter = layer.adapter.clone().unwrap();
    let error = layer.attach(&good, "conv", &mut drawn).unwrap_err();
    let expected = DoraError::AlreadyAttached {
        path: "conv".into(),
        attached: "old".into(),
    };
    assert_eq!(error, expected);
    let error = new(2).with_adapter(adapter).unwrap_err();
    assert!(matches!(
        &error,
        DoraError::ShapeMismatch { key: "lora_a", .. }
    ));
}

#[test]
#[should_panic(expected = "channels in whole groups")]
fn channels_that_groups_do_not_divide_are_accepted() {
    DoraConv2d::<Plain>::init(
        [4, 6],
        [3, 3],
        true,
        grouped(4),
        &mut stream("w"),
        &device(),
    );
}

/// Forward and backward, in every way in which `Flex` convolves.
#[test]
fn bits_depend_on_the_number_of_threads() {
    let mut cases = geometries();
    // Large enough for products in several threads, of several tiles.
    cases.push(([64, 96], [3, 3], grouped(1)));
    cases.push(([256, 256], [1, 1], ConvGeometry::default()));
    let run = || {
        let mut found = vec![];
        for (channels, kernel, geometry) in &cases {
            let rank = geometry.groups;
            let layer = adapted::<Ad>(*channels, *kernel, geometry.clone(), rank, F32);
            let x = uniform::<Ad, 4>([3, channels[0], 31, 29], "x", F32, &device());
            let x = x.require_grad();
            let key = DropoutKey::new(1, "dropout", 0, 0);
            let y = layer.forward(x.clone(), Some(&key));
            let grads = (y.clone() * y.clone()).sum().backward();
            let adapter = layer.adapter.as_ref().unwrap();
            found.push([
                bits(y),
                bits(layer.merged_weight()),
                bits(x.grad(&grads).unwrap()),
                bits(adapter.magnitude.val().grad(&grads).unwrap()),
                bits(adapter.lora_a.val().grad(&grads).unwrap()),
                bits(adapter.lora_b.val().grad(&grads).unwrap()),
            ]);
        }
        found
    };
    let alone = in_threads(1, run);
    for threads in [2, 3, 8] {
        let several = in_threads(threads, run);
        for ((alone, several), case) in alone.iter().zip(&several).zip(&cases) {
            assert!(alone == several, "{threads} threads: {case:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merged_layer_computes_another_function(
        groups in 1_usize..4,
        inputs in 1_usize..4,
        outputs in 1_usize..4,
        kernel in (1_usize..4, 1_usize..4),
        stride in (1_usize..3, 1_usize..3),
        dilation in (1_usize..3, 1_usize..3),
        padding in (0_usize..3, 0_usize..3),
        size in (7_usize..10, 7_usize..10),
    ) {
        let geometry = ConvGeometry {
            stride: stride.into(),
            padding: explicit(padding.into()),
            dilation: dilation.into(),
            groups,
        };
        let channels = [groups * inputs, groups * outputs];
        let layer = adapted::<Plain>(channels, kernel.into(), geometry, groups, F64);
        let x = uniform::<Plain, 4>([2, channels[0], size.0, size.1], "x", F64, &device());
        let expected = layer.forward(x.clone(), None);
        let merged = layer.clone().merge();
        let found = values(merged.forward(x.clone(), None));
        prop_assert!(relative_error(&found, &values(expected.clone())) < 1e-12);
        let square = layer.merged_weight().square();
        let norm = values(square.reshape([channels[1] as i32, -1]).sum_dim(1).sqrt());
        let magnitude = values(layer.adapter.unwrap().magnitude.val());
        prop_assert!(relative_error(&norm, &magnitude) < 1e-12);
        prop_assert_eq!(bits(merged.unmerge().forward(x, None)), bits(expected));
    }
}
