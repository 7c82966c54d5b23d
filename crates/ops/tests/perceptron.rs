//! Layers that add to a residual stream, and the attention of one token, against the operations that they
//! are made of: on the host always, and on a GPU, or on Vulkan's software driver, with its feature.

mod common;

use burn::backend::Autodiff;
use burn::tensor::{Tensor, backend::AutodiffBackend};
use burn_flex::Flex;
use common::{Host, bits};
use dacapo_ops::{
    Activation, Affine, PlannedMatmul, Precision, activate, linear, linear_onto, matmul,
    perceptron_onto, scaled_softmax, single_query_attention,
};

#[cfg(feature = "cuda")]
type Gpu = burn_cuda::Cuda;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
type Gpu = burn_wgpu::Wgpu;

/// Which of x, two weights, two biases and the stream are tracked, and which biases are there.
#[derive(Clone, Copy, Debug)]
struct Case {
    tracked: [bool; 6],
    biased: [bool; 2],
}

const CASES: [Case; 6] = [
    Case {
        tracked: [true; 6],
        biased: [true; 2],
    },
    Case {
        tracked: [true, false, false, false, false, true],
        biased: [true; 2],
    },
    Case {
        tracked: [false, true, false, true, false, false],
        biased: [false, true],
    },
    Case {
        tracked: [false, false, true, false, true, false],
        biased: [true; 2],
    },
    Case {
        tracked: [true, false, false, true, true, false],
        biased: [true, false],
    },
    Case {
        tracked: [false; 6],
        biased: [true; 2],
    },
];

/// Batch, tokens, in, hidden, out.
const SHAPES: [[usize; 5]; 3] = [[1, 1, 4, 4, 4], [2, 3, 8, 12, 4], [1, 70, 36, 130, 20]];
/// Large enough for a GPU's products of whole tiles, undivided.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
const LARGE: [usize; 5] = [2, 1100, 256, 1032, 516];

fn tensor<B: AutodiffBackend, const D: usize>(
    dims: [usize; D],
    seed: u64,
    tracked: bool,
) -> Tensor<B, D> {
    let len = dims.iter().product();
    let host = Host::random(1, 1, len, seed);
    let tensor = host.tensor::<B>(&Default::default()).reshape(dims);
    match tracked {
        true => tensor.require_grad(),
        false => tensor,
    }
}

/// What is recorded, and the gradients of `tracked`: one after the other, as a backward pass drops what
/// shares a leaf with it.
fn found<B: AutodiffBackend>(
    y: impl FnOnce() -> Tensor<B, 3>,
    tracked: &[Tensor<B, 1>],
    wanted: bool,
) -> (Vec<u32>, Vec<Option<Vec<u32>>>) {
    let y = y();
    if !wanted {
        return (bits(y.clone()), Vec::new());
    }
    let [a, b, c] = y.dims();
    let scale = tensor::<B, 3>([a, b, c], 99, false);
    let grads = (y.clone() * scale).sum().backward();
    let gradient = |t: &Tensor<B, 1>| {
        let gradient = t.grad(&grads)?;
        let len = gradient.dims()[0];
        Some(bits(gradient.reshape([1, 1, len])))
    };
    (bits(y.clone()), tracked.iter().map(gradient).collect())
}

fn layers_differ_from_their_operations<B: AutodiffBackend>(shapes: &[[usize; 5]])
where
    B::InnerBackend: PlannedMatmul,
{
    let device = Default::default();
    for precision in Precision::ALL {
        if !B::InnerBackend::supports(&device, precision) {
            continue;
        }
        for &[n, tokens, d_in, hidden, out] in shapes {
            for case in CASES {
                let lens = [
                    n * tokens * d_in,
                    d_in * hidden,
                    hidden,
                    hidden * out,
                    out,
                    n * tokens * out,
                ];
                let flat: Vec<Tensor<B, 1>> = (0..6)
                    .map(|i| tensor([lens[i]], i as u64, case.tracked[i]))
                    .collect();
                let x = || flat[0].clone().reshape([n, tokens, d_in]);
                let beside = || flat[5].clone().reshape([n, tokens, out]);
                let first = || Affine {
                    weight: flat[1].clone().reshape([d_in, hidden]),
                    bias: case.biased[0].then(|| flat[2].clone()),
                };
                let second = || Affine {
                    weight: flat[3].clone().reshape([hidden, out]),
                    bias: case.biased[1].then(|| flat[4].clone()),
                };
                let name = format!("{precision} {n}x{tokens}x{d_in}x{hidden}x{out} {case:?}");
                let trained = case.tracked.contains(&true);
                for activation in [Activation::QuickGelu, Activation::Gelu] {
                    let fused = || {
                        let layers = [first(), second()];
                        perceptron_onto(beside(), x(), layers, activation, precision)
                    };
                    let apart = || {
                        let (one, two) = (first(), second());
                        let z = linear(x(), one.weight, None, precision);
                        let h = activate(z, one.bias, activation);
                        beside() + linear(h, two.weight, two.bias, precision)
                    };
                    let fused = found(fused, &flat, trained);
                    assert!(
                        fused == found(apart, &flat, trained),
                        "{name}: {activation:?}"
                    );
                }
                let h = tensor::<B, 1>([n * tokens * hidden], 7, case.tracked[0]);
                let x = || h.clone().reshape([n, tokens, hidden]);
                let all = [h.clone(), flat[3].clone(), flat[4].clone(), flat[5].clone()];
                let trained = [0, 3, 4, 5].iter().any(|i| case.tracked[*i]);
                let fused = || linear_onto(beside(), x(), second(), precision);
                let apart = || {
                    let two = second();
                    beside() + linear(x(), two.weight, two.bias, precision)
                };
                let fused = found(fused, &all, trained);
                assert!(fused == found(apart, &all, trained), "{name}: linear_onto");
            }
        }
    }
}

#[test]
fn layers_differ_from_their_operations_on_the_host() {
    layers_differ_from_their_operations::<Autodiff<Flex>>(&SHAPES);
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
#[test]
fn layers_differ_from_their_operations_on_a_gpu() {
    layers_differ_from_their_operations::<Autodiff<Gpu>>(&SHAPES);
    layers_differ_from_their_operations::<Autodiff<Gpu>>(&[LARGE]);
}

/// How far a value may be from the same by products and a softmax.
fn attention_differs<B: AutodiffBackend>(bound: impl Fn(Precision) -> f32)
where
    B::InnerBackend: PlannedMatmul,
{
    let device = Default::default();
    for precision in Precision::ALL {
        if !B::InnerBackend::supports(&device, precision) {
            continue;
        }
        for [n, heads, tokens, width] in [
            [1, 1, 1, 4],
            [3, 16, 41, 64],
            [2, 12, 257, 768],
            [2, 3, 5, 6],
        ] {
            for tracked in [[true, true], [true, false], [false, true], [false, false]] {
                let flat: [Tensor<B, 1>; 2] = [
                    tensor([n * heads * width], 1, tracked[0]),
                    tensor([n * tokens * width], 2, tracked[1]),
                ];
                let asking = || flat[0].clone().reshape([n, heads, width]);
                let x = || flat[1].clone().reshape([n, tokens, width]);
                let scale = 0.2;
                let fused = || single_query_attention(asking(), x(), scale, precision);
                let apart = || {
                    let x = x();
                    let scores = matmul(x.clone(), asking().swap_dims(1, 2), precision);
                    let shares = scaled_softmax(scores.swap_dims(1, 2), scale);
                    matmul(shares, x, precision)
                };
                let trained = tracked.contains(&true);
                let (y, dy) = found(fused, &flat, trained);
                let (wanted, dwanted) = found(apart, &flat, trained);
                let name = format!("{precision} {n}x{heads}x{tokens}x{width} {tracked:?}");
                close(&name, &y, &wanted, bound(precision));
                assert_eq!(dy.len(), dwanted.len());
                for (dy, dwanted) in dy.iter().zip(&dwanted) {
                    assert_eq!(dy.is_some(), dwanted.is_some(), "{name}");
                    if let (Some(dy), Some(dwanted)) = (dy, dwanted) {
                        close(&name, dy, dwanted, bound(precision));
                    }
                }
            }
        }
    }
}

/// By the largest value.
fn close(name: &str, found: &[u32], wanted: &[u32], bound: f32) {
    let values = |bits: &[u32]| bits.iter().map(|x| f32::from_bits(*x)).collect::<Vec<_>>();
    let (found, wanted) = (values(found), values(wanted));
    assert_eq!(found.len(), wanted.len(), "{name}");
    let most = wanted.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!(
            (found - wanted).abs() <= bound * most,
            "{name}: {found}, not {wanted}"
        );
    }
}

#[test]
fn attention_of_one_token_differs_on_the_host() {
    attention_differs::<Autodiff<Flex>>(|_| 0.0);
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
#[test]
fn attention_of_one_token_differs_on_a_gpu() {
    // Roundings of shares that are next to a tie go either way.
    attention_differs::<Autodiff<Gpu>>(|precision| match precision {
        Precision::F32 => 1e-5,
        Precision::Tf32 => 2e-3,
        Precision::Bf16 => 1.6e-2,
    });
}
