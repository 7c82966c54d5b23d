//! On a backend with kernels: the same functions as by plain tensor operations.
//!
//! Without a GPU, Vulkan's software driver takes seconds to compile each kernel, so that it is
//! given few of the cases.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use burn::backend::Autodiff;
use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::tensor::{DType, Int, Tensor, TensorData, backend::AutodiffBackend, backend::Backend};
use common::golden::check;
use common::{
    Ad, FLAVOURS, bits, config, layer, magnitude, relative_error, stream, uniform, values,
};
use dacapo_dora::{
    ConvGeometry, DoraAdapter, DoraConv2d, DoraEmbedding, DoraFusedLinear, DoraLinear, Flavour,
    KeyedDropout,
};
use dacapo_ops::{PlannedMatmul, Precision};
use dacapo_rng::DropoutKey;

#[cfg(feature = "cuda")]
type Gpu = burn_cuda::Cuda;
#[cfg(not(feature = "cuda"))]
type Gpu = burn_wgpu::Wgpu;
type GpuAd = Autodiff<Gpu>;

const F32: DType = DType::F32;

/// Whether a kernel is compiled in no time.
const QUICK: bool = cfg!(feature = "cuda");

#[test]
fn formulas_differ_from_pytorch() {
    let few = [
        "peft wide with bias",
        "peft zero rows with dropout 0.75",
        "clip-hba wide with bias",
        "clip-hba zero rows",
        "peft tiny V",
    ];
    let chosen = |name: &str| QUICK || few.contains(&name);
    let device = Default::default();
    let tiny = |name: &str| name.contains("tiny V");
    check::<GpuAd>(|name| chosen(name) && !tiny(name), F32, 2e-5, &device);
    // m's gradient is the sum of <G, W> and of the update's part, each rounded to f32; where V is a
    // thousandth of W or less they cancel, and a thousand times the rounding error is left.
    check::<GpuAd>(|name| chosen(name) && tiny(name), F32, 1e-3, &device);
}

#[test]
fn attaching_peft_changes_a_bit_of_the_output() {
    let device = Default::default();
    let key = DropoutKey::new(7, "dropout", 3, 1);
    let mut shapes = vec![(8, 6), (130, 70)];
    if QUICK {
        // On each side of what one launch takes.
        shapes.extend([(40, 33), (1024, 64), (1025, 64), (1030, 129)]);
    }
    for precision in Precision::ALL {
        if !Gpu::supports(&device, precision) {
            continue;
        }
        for &(d_in, d_out) in &shapes {
            let base = layer::<Gpu>(d_in, d_out, true, F32, Some(1), &device);
            let base = base.with_precision(precision);
            let x = uniform::<Gpu, 3>([2, 3, d_in], "x", F32, &device);
            let before = bits(base.forward(x.clone(), None));
            let config = config(Flavour::Peft, 4, 0.25);
            let adapted = base.attach(&config, "l", &mut stream("init"));
            let adapted = adapted.expect("it can be attached");
            let name = format!("{d_in}x{d_out} in {precision}");
            assert_eq!(bits(adapted.forward(x.clone(), None)), before, "{name}");
            let dropped = adapted.forward(x.clone(), Some(&key));
            assert_eq!(bits(dropped), before, "{name}, dropout");
            assert_eq!(bits(adapted.merge().forward(x, None)), before, "{name}");
        }
    }
}

/// Output, gradients of x, m, A and B, and the merged weight, as numbers.
fn results<B: AutodiffBackend>(
    flavour: Flavour,
    [d_in, d_out, rank]: [usize; 3],
    rate: f64,
    dtype: DType,
    device: &B::Device,
) -> Vec<(&'static str, Vec<f64>)> {
    let base = layer::<B>(d_in, d_out, true, dtype, Some(3), device);
    let layer = base.attach(&config(flavour, rank, rate), "layer", &mut stream("init"));
    let mut layer = layer.expect("it can be attached");
    // Away from the start, where B of `Peft` is 0.
    let adapter = layer.adapter.as_mut().expect("just attached");
    let moved = uniform::<B, 2>([d_out, rank], "b", dtype, device).require_grad();
    adapter.lora_b = Param::from_tensor(moved);
    let x = uniform::<B, 3>([2, 4, d_in], "x", dtype, device).require_grad();
    let r = uniform::<B, 3>([2, 4, d_out], "r", dtype, device);

    let key = DropoutKey::new(7, "dropout", 3, 1);
    let y = layer.forward(x.clone(), (rate > 0.0).then_some(&key));
    let grads = (y.clone() * r).sum().backward();
    let adapter = layer.adapter.as_ref().expect("just attached");
    let DoraAdapter { lora_a, lora_b, .. } = adapter;
    vec![
        ("y", values(y)),
        ("dx", values(x.grad(&grads).expect("tracked"))),
        (
            "dm",
            values(magnitude(adapter).grad(&grads).expect("tracked")),
        ),
        ("da", values(lora_a.val().grad(&grads).expect("tracked"))),
        ("db", values(lora_b.val().grad(&grads).expect("tracked"))),
        ("merged", values(layer.merged_weight())),
    ]
}

fn assert_as_on_the_cpu(
    flavour: Flavour,
    sizes: [usize; 3],
    rate: f64,
    dtype: DType,
    tolerance: f64,
) {
    let found = results::<GpuAd>(flavour, sizes, rate, dtype, &Default::default());
    let wanted = results::<Ad>(flavour, sizes, rate, dtype, &common::device());
    for ((name, found), (_, wanted)) in found.into_iter().zip(wanted) {
        let error = relative_error(&found, &wanted);
        assert!(
            error < tolerance,
            "{flavour:?} {sizes:?} {dtype:?} at rate {rate}: {name} off by {error:e}"
        );
    }
}

#[test]
fn kernels_compute_something_else_than_tensor_operations() {
    for flavour in FLAVOURS {
        for rate in [0.0, 0.3] {
            assert_as_on_the_cpu(flavour, [37, 22, 5], rate, F32, 1e-5);
            if QUICK {
                assert_as_on_the_cpu(flavour, [1040, 96, 16], rate, F32, 1e-5);
            }
        }
    }
}

#[test]
fn rank_that_the_kernels_decline_is_computed_wrong() {
    for flavour in FLAVOURS {
        assert_as_on_the_cpu(flavour, [131, 130, 129], 0.0, F32, 1e-5);
    }
}

#[test]
fn float_type_is_computed_wrong() {
    let device = Default::default();
    for (dtype, tolerance) in [(DType::BF16, 2e-2), (DType::F16, 3e-3), (DType::F64, 1e-10)] {
        if Gpu::supports_dtype(&device, dtype) {
            for flavour in FLAVOURS {
                assert_as_on_the_cpu(flavour, [37, 22, 5], 0.0, dtype, tolerance);
            }
        }
    }
}

#[test]
fn mask_differs_from_the_hosts() {
    let device = Default::default();
    let key = DropoutKey::new(7, "dropout", 3, 1);
    for shape in [[1, 1, 1], [2, 3, 5], [4, 5, 16]] {
        let x = uniform::<Gpu, 3>(shape, "x", F32, &device);
        let found = KeyedDropout::new(0.3, "here").apply(x.clone(), Some(&key));
        let mask = key.layer("here").mask(0.3, shape.iter().product());
        let mask = Tensor::<Gpu, 3>::from_data(TensorData::new(mask, shape), &device);
        assert_eq!(bits(found), bits(x.clone() * mask.clone()));
        // A view whose rows are not together: elements count in the order of the view.
        let turned = x.swap_dims(0, 2);
        let found = KeyedDropout::new(0.3, "here").apply(turned.clone(), Some(&key));
        let mask = mask.reshape(turned.dims());
        assert_eq!(bits(found), bits(turned * mask));
    }
}

#[test]
fn gradient_is_not_masked() {
    let device = Default::default();
    let key = DropoutKey::new(7, "dropout", 3, 1);
    let x = uniform::<GpuAd, 2>([9, 7], "x", F32, &device).require_grad();
    let y = uniform::<GpuAd, 2>([9, 7], "y", F32, &device);
    let dropped = KeyedDropout::new(0.4, "here").apply(x.clone(), Some(&key));
    let grads = (dropped * y.clone()).sum().backward();
    let mask = Tensor::<Gpu, 2>::from_data(
        TensorData::new(key.layer("here").mask(0.4, 63), [9, 7]),
        &device,
    );
    assert_eq!(
        bits(x.grad(&grads).expect("tracked")),
        bits(y.inner() * mask)
    );
}

#[test]
fn frozen_tensor_gets_a_gradient() {
    let device = Default::default();
    let base: DoraLinear<GpuAd> = layer(8, 6, true, F32, None, &device);
    let adapted = base.attach(&config(Flavour::Peft, 2, 0.0), "l", &mut stream("init"));
    let mut adapted = adapted.expect("it can be attached");
    let x = uniform::<GpuAd, 2>([3, 8], "x", F32, &device).require_grad();

    let grads = adapted.forward(x.clone(), None).sum().backward();
    let adapter = adapted.adapter.as_mut().expect("just attached");
    let whole = adapter.lora_b.val().grad(&grads).expect("tracked");
    adapter.lora_a = adapter.lora_a.clone().set_require_grad(false);
    let grads = adapted.forward(x.clone(), None).sum().backward();
    let adapter = adapted.adapter.as_ref().expect("just attached");
    assert!(adapter.lora_a.val().grad(&grads).is_none());
    let part = adapter.lora_b.val().grad(&grads).expect("tracked");
    assert_eq!(bits(part), bits(whole));

    let frozen = adapted.no_grad();
    assert!(!frozen.merged_weight().is_require_grad());
    let grads = frozen.forward(x.clone(), None).sum().backward();
    assert!(x.grad(&grads).is_some());
    let adapter = frozen.adapter.as_ref().expect("just attached");
    assert!(adapter.lora_b.val().grad(&grads).is_none());
}

/// Output, gradients of m, A and B, and the merged weight of an embedding, as numbers.
fn embedding_results<B: AutodiffBackend>(device: &B::Device) -> Vec<(&'static str, Vec<f64>)> {
    let base = layer::<B>(130, 24, false, F32, Some(3), device);
    let base = DoraEmbedding::from_weight(base.weight);
    let ids = TensorData::new(vec![0_i64, 129, 7, 7, 64, 129], [2, 3]);
    let ids = Tensor::<B, 2, Int>::from_data(ids, device);
    let before = bits(base.forward(ids.clone()));
    let config = config(Flavour::Peft, 4, 0.0);
    let layer = base.attach(&config, "layer", &mut stream("init"));
    let mut layer = layer.expect("it can be attached");
    assert_eq!(bits(layer.forward(ids.clone())), before, "attached");
    assert_eq!(
        bits(layer.clone().merge().forward(ids.clone())),
        before,
        "merged"
    );

    let adapter = layer.adapter.as_mut().expect("just attached");
    adapter.lora_a = Param::from_tensor(uniform([4, 130], "a", F32, device));
    let r = uniform::<B, 3>([2, 3, 24], "r", F32, device);
    let y = layer.forward(ids);
    let grads = (y.clone() * r).sum().backward();
    let adapter = layer.adapter.as_ref().expect("just attached");
    let magnitude = magnitude(adapter).grad(&grads).expect("tracked");
    let lora_a = adapter.lora_a.val().grad(&grads).expect("tracked");
    let lora_b = adapter.lora_b.val().grad(&grads).expect("tracked");
    vec![
        ("y", values(y)),
        ("dm", values(magnitude)),
        ("da", values(lora_a)),
        ("db", values(lora_b)),
        ("merged", values(layer.merged_weight())),
    ]
}

/// The same of a convolution in groups, with dropout.
fn conv_results<B: AutodiffBackend>(device: &B::Device) -> Vec<(&'static str, Vec<f64>)> {
    let geometry = ConvGeometry {
        padding: PaddingConfig2d::Explicit(1, 1, 1, 1),
        groups: 2,
        ..ConvGeometry::default()
    };
    let weight = uniform::<B, 4>([8, 3, 3, 3], "weight", F32, device);
    let bias = Param::from_tensor(uniform([8], "bias", F32, device));
    let base = DoraConv2d::from_params(Param::from_tensor(weight), Some(bias), geometry);
    let x = uniform::<B, 4>([2, 6, 5, 7], "x", F32, device).require_grad();
    let before = bits(base.forward(x.clone(), None));
    let config = config(Flavour::Peft, 4, 0.3);
    let layer = base.attach(&config, "layer", &mut stream("init"));
    let mut layer = layer.expect("it can be attached");
    let key = DropoutKey::new(7, "dropout", 3, 1);
    let dropped = layer.forward(x.clone(), Some(&key));
    assert_eq!(bits(dropped), before, "attached");
    let merged = layer.clone().merge().forward(x.clone(), None);
    assert_eq!(bits(merged), before, "merged");

    let adapter = layer.adapter.as_mut().expect("just attached");
    adapter.lora_b = Param::from_tensor(uniform([8, 2, 1, 1], "b", F32, device));
    let r = uniform::<B, 4>([2, 8, 5, 7], "r", F32, device);
    let y = layer.forward(x.clone(), Some(&key));
    let grads = (y.clone() * r).sum().backward();
    let adapter = layer.adapter.as_ref().expect("just attached");
    let magnitude = adapter.magnitude.val().grad(&grads).expect("tracked");
    let lora_a = adapter.lora_a.val().grad(&grads).expect("tracked");
    let lora_b = adapter.lora_b.val().grad(&grads).expect("tracked");
    vec![
        ("y", values(y)),
        ("dx", values(x.grad(&grads).expect("tracked"))),
        ("dm", values(magnitude)),
        ("da", values(lora_a)),
        ("db", values(lora_b)),
        ("merged", values(layer.merged_weight())),
    ]
}

#[test]
fn embedding_or_convolution_is_computed_otherwise() {
    for (kind, found, wanted) in [
        (
            "embedding",
            embedding_results::<GpuAd>(&Default::default()),
            embedding_results::<Ad>(&common::device()),
        ),
        (
            "convolution",
            conv_results::<GpuAd>(&Default::default()),
            conv_results::<Ad>(&common::device()),
        ),
    ] {
        for ((name, found), (_, wanted)) in found.into_iter().zip(wanted) {
            let error = relative_error(&found, &wanted);
            assert!(error < 1e-5, "{kind}: {name} off by {error:e}");
        }
    }
}

#[test]
fn fused_layer_differs_from_separate_ones() {
    let device = Default::default();
    let whole = layer::<Gpu>(34, 40, true, F32, Some(1), &device);
    let parts = [("q", 24), ("k", 16)];
    let weight = whole.weight.val();
    let fused = DoraFusedLinear::from_params(whole.weight, whole.bias, &parts);
    let mut fused = fused.expect("they make it up");
    let x = uniform::<Gpu, 2>([9, 34], "x", F32, &device);
    let mut expected = vec![];
    let mut start = 0;
    for (name, width) in parts {
        let data = weight
            .clone()
            .slice([0..34, start..start + width])
            .into_data();
        let bias = fused.bias.as_ref().expect("with a bias").val();
        let bias = bias.into_data().to_vec::<f32>().expect("f32");
        let bias = Tensor::from_data(&bias[start..start + width], &device);
        let part = Param::from_tensor(Tensor::from_data(data, &device));
        let part = DoraLinear::<Gpu>::from_params(part, Some(Param::from_tensor(bias)));
        start += width;
        let config = config(Flavour::ClipHba, 4, 0.3);
        let part = part.attach(&config, name, &mut stream(name));
        let part = part.expect("it can be attached");
        fused = (fused.attach(name, &config, name, &mut stream(name))).expect("it can, too");
        expected.push(part);
    }
    let key = DropoutKey::new(7, "dropout", 3, 1);
    for key in [None, Some(&key)] {
        let found = fused.forward_parts(x.clone(), key);
        for (found, part) in found.into_iter().zip(&expected) {
            assert_eq!(bits(found), bits(part.forward(x.clone(), key)));
        }
    }
}
