//! Layers that add to a residual stream, whatever of them is trained, against the operations that they
//! are made of, to the bit, on the host.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use burn::backend::Autodiff;
use burn::tensor::{DType, Tensor, TensorData, backend::AutodiffBackend, backend::Backend};
use burn_flex::{Flex, FlexDevice};
use common::{bits, numbers};
use dacapo_ops::{Activation, Affine, Precision, activate, linear, linear_onto, perceptron_onto};

type Cpu = Autodiff<Flex>;

/// Rows, in, hidden, out.
const SHAPES: [[usize; 4]; 4] = [[1, 1, 1, 1], [1, 5, 7, 3], [6, 8, 12, 4], [70, 33, 66, 40]];
const ACTIVATIONS: [Activation; 2] = [Activation::Gelu, Activation::QuickGelu];

fn tensor<B: Backend>(len: usize, seed: u64) -> Tensor<B, 1> {
    let device = Default::default();
    Tensor::from_data(TensorData::new(numbers(len, seed), [len]), &device)
}

/// x, two weights and biases, and the stream.
struct Parts<B: Backend> {
    flat: [Tensor<B, 1>; 6],
    shape: [usize; 4],
}

impl<B: Backend> Parts<B> {
    fn new(shape: [usize; 4]) -> Self {
        let [rows, d_in, hidden, out] = shape;
        let weights = [d_in * hidden, hidden * out];
        let lens = [rows * d_in, weights[0], hidden, weights[1], out, rows * out];
        let flat = std::array::from_fn(|i| tensor(lens[i], i as u64));
        Self { flat, shape }
    }

    fn x(&self) -> Tensor<B, 2> {
        self.flat[0].clone().reshape([self.shape[0], self.shape[1]])
    }

    fn beside(&self) -> Tensor<B, 2> {
        self.flat[5].clone().reshape([self.shape[0], self.shape[3]])
    }

    fn layer(&self, i: usize, biased: bool) -> Affine<B> {
        let weight = self.flat[2 * i + 1].clone();
        Affine {
            weight: weight.reshape([self.shape[i + 1], self.shape[i + 2]]),
            bias: biased.then(|| self.flat[2 * i + 2].clone()),
        }
    }

    fn layers(&self, biased: [bool; 2]) -> [Affine<B>; 2] {
        [0, 1].map(|i| self.layer(i, biased[i]))
    }
}

impl Parts<Cpu> {
    /// `set` has a bit for each that is trained.
    fn trained(shape: [usize; 4], set: u32) -> Self {
        let mut parts = Self::new(shape);
        for (i, leaf) in parts.flat.iter_mut().enumerate() {
            *leaf = leaf.clone().set_require_grad(set >> i & 1 == 1);
        }
        parts
    }
}

fn linear_by_operations<B: Backend, const D: usize>(
    beside: Tensor<B, D>,
    x: Tensor<B, D>,
    layer: Affine<B>,
    precision: Precision,
) -> Tensor<B, D> {
    beside + linear(x, layer.weight, layer.bias, precision)
}

fn perceptron_by_operations<B: Backend, const D: usize>(
    beside: Tensor<B, D>,
    x: Tensor<B, D>,
    [first, second]: [Affine<B>; 2],
    activation: Activation,
    precision: Precision,
) -> Tensor<B, D> {
    let z = linear(x, first.weight, None, precision);
    let hidden = activate(z, first.bias, activation);
    linear_by_operations(beside, hidden, second, precision)
}

/// The value, and the gradient of each of `leaves` that has one. A backward pass drops all graphs that
/// share a leaf, so `y` is recorded in here.
fn found<B: AutodiffBackend, const D: usize>(
    y: impl FnOnce() -> Tensor<B, D>,
    leaves: &[Tensor<B, 1>],
) -> (Vec<u32>, Vec<Option<Vec<u32>>>) {
    let y = y();
    let value = bits(y.clone());
    if !leaves.iter().any(Tensor::is_require_grad) {
        return (value, vec![None; leaves.len()]);
    }
    let slope = tensor(y.dims().iter().product(), 99).reshape(y.dims());
    let grads = (y * slope).sum().backward();
    let gradients = leaves.iter().map(|leaf| leaf.grad(&grads).map(bits));
    (value, gradients.collect())
}

/// All that can be trained with all biases that there can be.
fn every_case(mut check: impl FnMut(&Parts<Cpu>, [bool; 2], Precision, &str)) {
    for precision in Precision::ALL {
        for shape in SHAPES {
            for set in 0..64 {
                for biased in [[true; 2], [true, false], [false, true], [false; 2]] {
                    // So that there is something to find the gradient of.
                    let there = [true, true, biased[0], true, biased[1], true];
                    let set = (0..6).filter(|i| there[*i]).map(|i| set & 1 << i).sum();
                    let name = format!("{precision} {shape:?} {biased:?} {set:06b}");
                    check(&Parts::trained(shape, set), biased, precision, &name);
                }
            }
        }
    }
}

#[test]
fn perceptron_depends_on_what_is_trained() {
    every_case(|parts, biased, precision, name| {
        let Parts { flat, .. } = parts;
        for activation in ACTIVATIONS {
            let case = || (parts.beside(), parts.x(), parts.layers(biased));
            let (y, gradients) = found(
                || {
                    let (beside, x, layers) = case();
                    perceptron_onto(beside, x, layers, activation, precision)
                },
                flat,
            );
            let wanted = found(
                || {
                    let (beside, x, layers) = case();
                    perceptron_by_operations(beside, x, layers, activation, precision)
                },
                flat,
            );
            for (gradient, leaf) in gradients.iter().zip(flat) {
                assert_eq!(gradient.is_some(), leaf.is_require_grad(), "{name}");
            }
            assert!((y, gradients) == wanted, "{name}: {activation:?}");
        }
    });
}

#[test]
fn linear_layer_depends_on_what_is_trained() {
    every_case(|parts, biased, precision, name| {
        let [rows, _, hidden, _] = parts.shape;
        let x = tensor::<Cpu>(rows * hidden, 7).set_require_grad(parts.flat[0].is_require_grad());
        let [weight, bias, beside] = [3, 4, 5].map(|i| parts.flat[i].clone());
        let leaves = [x, weight, bias, beside];
        let x = || leaves[0].clone().reshape([rows, hidden]);
        let layer = || parts.layer(1, biased[1]);
        let (y, gradients) = found(
            || linear_onto(parts.beside(), x(), layer(), precision),
            &leaves,
        );
        let wanted = found(
            || linear_by_operations(parts.beside(), x(), layer(), precision),
            &leaves,
        );
        for (gradient, leaf) in gradients.iter().zip(&leaves) {
            assert_eq!(gradient.is_some(), leaf.is_require_grad(), "{name}");
        }
        assert!((y, gradients) == wanted, "{name}");
    });
}

/// Backward passes free what no tensor holds, those of other threads, too: a weight that is not a leaf,
/// and that nobody else holds, is one until the layer is recorded.
#[test]
fn weight_is_freed_by_another_thread() {
    let parts = Parts::trained([70, 33, 66, 40], 0b111111);
    let done = AtomicBool::new(false);
    let found: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let x = tensor::<Cpu>(1, 1).require_grad();
                (x * 2.0).sum().backward();
            }
        });
        let perceptron = || {
            let layers = parts.layers([true; 2]);
            perceptron_onto(
                parts.beside(),
                parts.x(),
                layers,
                Activation::Gelu,
                Precision::F32,
            )
        };
        let linear = || {
            let layer = parts.layer(0, true);
            let [rows, _, hidden, _] = parts.shape;
            let beside = tensor::<Cpu>(rows * hidden, 8).reshape([rows, hidden]);
            linear_onto(beside, parts.x(), layer, Precision::F32)
        };
        let found = (0..40).map(|_| (found(perceptron, &parts.flat), found(linear, &parts.flat)));
        let found = found.collect();
        done.store(true, Ordering::Relaxed);
        found
    });
    for ((_, perceptron), (_, linear)) in found {
        let there = |gradients: Vec<Option<_>>| {
            let there = gradients.iter().map(Option::is_some);
            there.collect::<Vec<_>>()
        };
        assert_eq!(there(perceptron), [true; 6]);
        assert_eq!(there(linear), [true, true, true, false, false, false]);
    }
}

#[test]
fn untracked_backend_has_other_bits() {
    for precision in Precision::ALL {
        for shape in SHAPES {
            let (host, recorded) = (Parts::<Flex>::new(shape), Parts::<Cpu>::new(shape));
            for activation in ACTIVATIONS {
                let (beside, x, layers) = (host.beside(), host.x(), host.layers([true; 2]));
                let wanted = bits(perceptron_by_operations(
                    beside.clone(),
                    x.clone(),
                    layers.clone(),
                    activation,
                    precision,
                ));
                let y = perceptron_onto(beside, x, layers, activation, precision);
                assert_eq!(bits(y), wanted, "{precision} {shape:?}");
                let layers = recorded.layers([true; 2]);
                let (beside, x) = (recorded.beside(), recorded.x());
                let y = perceptron_onto(beside, x, layers, activation, precision);
                assert_eq!(bits(y), wanted, "{precision} {shape:?}");
            }
        }
    }
}

/// One tensor as x and as the stream, as where the sum is normalised afterwards; and one layer twice.
#[test]
fn tensor_in_two_places_loses_a_gradient() {
    for precision in Precision::ALL {
        let leaves =
            [(48, 1), (64, 2), (8, 3)].map(|(len, seed)| tensor::<Cpu>(len, seed).require_grad());
        let x = || leaves[0].clone().reshape([2, 3, 8]);
        let layer = || Affine {
            weight: leaves[1].clone().reshape([8, 8]),
            bias: Some(leaves[2].clone()),
        };
        for activation in ACTIVATIONS {
            let layers = || [layer(), layer()];
            let own = || perceptron_onto(x(), x(), layers(), activation, precision);
            let plain = || perceptron_by_operations(x(), x(), layers(), activation, precision);
            assert!(found(own, &leaves) == found(plain, &leaves), "{precision}");
        }
        let own = || linear_onto(x(), x(), layer(), precision);
        let plain = || linear_by_operations(x(), x(), layer(), precision);
        assert!(found(own, &leaves) == found(plain, &leaves), "{precision}");
    }
}

/// Rows that do not lie together in memory, and a single one in one dimension.
#[test]
fn view_is_read_as_it_lies() {
    let layers = || Parts::<Flex>::new([1, 5, 7, 3]).layers([true; 2]);
    let turned = |width: usize, seed| {
        let tensor: Tensor<Flex, 3> = tensor(2 * 4 * width, seed).reshape([2, width, 4]);
        tensor.swap_dims(1, 2)
    };
    let copy = |view: &Tensor<Flex, 3>| Tensor::<Flex, 3>::from_data(view.to_data(), &FlexDevice);
    let (x, beside) = (turned(5, 1), turned(3, 2));
    let of = |beside, x| perceptron_onto(beside, x, layers(), Activation::Gelu, Precision::F32);
    let wanted = bits(of(copy(&beside), copy(&x)));
    assert_eq!(bits(of(beside.clone(), x.clone())), wanted);
    let one = |tensor: Tensor<Flex, 3>, width| tensor.slice([0..1, 0..1]).reshape([width]);
    let (beside, x): (Tensor<Flex, 1>, Tensor<Flex, 1>) = (one(beside, 3), one(x, 5));
    let y = perceptron_onto(beside, x, layers(), Activation::Gelu, Precision::F32);
    assert_eq!(y.dims(), [3]);
    assert_eq!(bits(y), wanted[..3]);
}

/// No loop takes it: it is computed in its own type, by Burn's operations.
#[test]
fn f64_is_rounded() {
    let parts = Parts::<Cpu>::new([6, 8, 12, 4]);
    let wide = |tensor: Tensor<Cpu, 2>| tensor.cast(DType::F64);
    let layers = || {
        parts.layers([true; 2]).map(|layer| Affine {
            weight: wide(layer.weight),
            bias: layer.bias.map(|bias| bias.cast(DType::F64)),
        })
    };
    let (beside, x) = (wide(parts.beside()), wide(parts.x()));
    let (activation, precision) = (Activation::Gelu, Precision::F32);
    let wanted =
        perceptron_by_operations(beside.clone(), x.clone(), layers(), activation, precision);
    let y = perceptron_onto(beside, x, layers(), activation, precision);
    assert_eq!(y.dtype(), DType::F64);
    let values = |tensor: Tensor<Cpu, 2>| tensor.into_data().to_vec::<f64>().expect("f64");
    assert_eq!(values(y), values(wanted));
}

#[test]
#[should_panic(expected = "perceptron_onto: a weight [12, 4] and a bias Some([4]) do not make")]
fn stream_of_another_width_is_repeated() {
    let parts = Parts::<Flex>::new([6, 8, 12, 4]);
    let beside = parts.beside().slice([0..6, 0..1]);
    let layers = parts.layers([true; 2]);
    perceptron_onto(beside, parts.x(), layers, Activation::Gelu, Precision::F32);
}

#[test]
#[should_panic(expected = "linear_onto: a weight [8, 12] and a bias Some([12]) do not make")]
fn stream_of_one_row_is_repeated() {
    let parts = Parts::<Flex>::new([6, 8, 12, 4]);
    let beside = tensor(12, 1).reshape([1, 12]);
    linear_onto(beside, parts.x(), parts.layer(0, true), Precision::F32);
}
