//! The operations of a transformer block against Burn's own in f64, which they decline to
//! compute: on the host always, and on a GPU, or on Vulkan's software driver, with its feature.

mod common;

use burn::backend::Autodiff;
use burn::tensor::{DType, Tensor, TensorData, backend::AutodiffBackend};
use burn_flex::Flex;
use common::{bits, numbers};
use dacapo_ops::{
    Activation, activate, add_row, l2_normalise, layer_norm, mean, mean_square, scaled_softmax,
    sum, sum_of_squares, sums_of_squares, swap_heads,
};

#[cfg(feature = "cuda")]
type Gpu = Autodiff<burn_cuda::Cuda>;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
type Gpu = Autodiff<burn_wgpu::Wgpu>;
type Host = Autodiff<Flex>;

/// Rows and columns: single ones, odd ones, whole vectors, several blocks.
const SHAPES: &[[usize; 2]] = &[
    [1, 1],
    [1, 7],
    [3, 4],
    [7, 16],
    [8, 33],
    [9, 64],
    [130, 65],
    [5, 1030],
    [33, 256],
];

const ACTIVATIONS: [Activation; 2] = [Activation::Gelu, Activation::QuickGelu];

/// f(x, parameter, second parameter) and the gradients of all three for a given one.
type Case<'a, B> = &'a dyn Fn(Tensor<B, 2>, Tensor<B, 1>, Tensor<B, 1>) -> Tensor<B, 2>;

/// What the case gives, and its gradients of x and both parameters, by their names.
fn values<B: AutodiffBackend>(
    [rows, width]: [usize; 2],
    dtype: DType,
    scale: f32,
    case: Case<'_, B>,
) -> Vec<(&'static str, Tensor<B::InnerBackend, 1>)> {
    let device = Default::default();
    let tensor = |len: usize, seed| {
        let numbers: Vec<f32> = numbers(len, seed).iter().map(|x| x * scale).collect();
        Tensor::<B, 1>::from_data(TensorData::new(numbers, [len]), (&device, dtype))
    };
    let x = tensor(rows * width, 1)
        .reshape([rows, width])
        .require_grad();
    let first = tensor(width, 2).require_grad();
    let second = tensor(width, 3).require_grad();
    let dy = tensor(rows * width, 4).reshape([rows, width]);
    let y = case(x.clone(), first.clone(), second.clone());
    let grads = (y.clone() * dy).sum().backward();
    let mut found = vec![
        ("y", y.inner().flatten(0, 1)),
        ("dx", x.grad(&grads).expect("x is tracked").flatten(0, 1)),
    ];
    found.extend(first.grad(&grads).map(|grad| ("dfirst", grad)));
    found.extend(second.grad(&grads).map(|grad| ("dsecond", grad)));
    found
}

/// The largest difference over the largest element that is wanted, or 1.
fn compare<B: AutodiffBackend>(
    name: &str,
    shape: [usize; 2],
    bound: f64,
    scale: f32,
    cases: (Case<'_, B>, Case<'_, Host>),
) {
    let found = values::<B>(shape, DType::F32, scale, cases.0);
    let wanted = values::<Host>(shape, DType::F64, scale, cases.1);
    assert_eq!(found.len(), wanted.len(), "{name}");
    for ((what, found), (_, wanted)) in found.into_iter().zip(wanted) {
        let found: Vec<f32> = found.into_data().to_vec().expect("f32");
        let wanted: Vec<f64> = wanted.into_data().to_vec().expect("f64");
        let largest = wanted.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        for (i, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            let error = (f64::from(*found) - wanted).abs() / largest;
            assert!(
                error < bound,
                "{name} {shape:?}: {what}[{i}]: expected {wanted}, found {found}"
            );
        }
    }
}

fn layer_norm_is_wrong<B: AutodiffBackend>() {
    for &shape in SHAPES {
        compare::<B>(
            "layer_norm",
            shape,
            2e-5,
            1.0,
            (
                &|x, gamma, beta| layer_norm(x, gamma, Some(beta), 1e-5),
                &|x, gamma, beta| layer_norm(x, gamma, Some(beta), 1e-5),
            ),
        );
        compare::<B>(
            "layer_norm without beta",
            shape,
            2e-5,
            1.0,
            (
                &|x, gamma, _| layer_norm(x, gamma, None, 1e-5),
                &|x, gamma, _| layer_norm(x, gamma, None, 1e-5),
            ),
        );
    }
}

/// Burn's own variance of a row far from 0 is right in f64 only.
fn layer_norm_cancels<B: AutodiffBackend>() {
    compare::<B>(
        "layer_norm far from 0",
        [9, 64],
        3e-4,
        1.0,
        (
            &|x, gamma, beta| layer_norm(x + 1000.0, gamma, Some(beta), 1e-5),
            &|x, gamma, beta| {
                // What f32 has left of the sum.
                let x = (x + 1000.0).cast(DType::F32).cast(DType::F64);
                layer_norm(x, gamma, Some(beta), 1e-5)
            },
        ),
    );
}

fn activation_is_wrong<B: AutodiffBackend>() {
    for activation in ACTIVATIONS {
        for &shape in SHAPES {
            let name = format!("{activation:?}");
            compare::<B>(
                &name,
                shape,
                2e-6,
                6.0,
                (
                    &|x, bias, _| activate(x, Some(bias), activation),
                    &|x, bias, _| activate(x, Some(bias), activation),
                ),
            );
            compare::<B>(
                &name,
                shape,
                2e-6,
                6.0,
                (&|x, _, _| activate(x, None, activation), &|x, _, _| {
                    activate(x, None, activation)
                }),
            );
        }
    }
}

fn softmax_is_wrong<B: AutodiffBackend>() {
    for &shape in SHAPES {
        for scale in [0.125, 1.0, 7.5] {
            compare::<B>(
                "softmax",
                shape,
                2e-6,
                4.0,
                (&|x, _, _| scaled_softmax(x, scale), &|x, _, _| {
                    scaled_softmax(x, scale)
                }),
            );
        }
    }
}

fn l2_normalise_is_wrong<B: AutodiffBackend>() {
    for &shape in SHAPES {
        compare::<B>(
            "l2_normalise",
            shape,
            4e-6,
            4.0,
            (&|x, _, _| l2_normalise(x), &|x, _, _| l2_normalise(x)),
        );
    }
}

/// Masked scores have no share at all, and leave those of the others.
fn softmax_of_masked_scores_is_wrong<B: AutodiffBackend>() {
    let row = [1.0, f32::NEG_INFINITY, 2.0, f32::NEG_INFINITY];
    let x = Tensor::<B, 2>::from_data([row, row], &Default::default());
    let found: Vec<f32> = scaled_softmax(x, 1.0).into_data().to_vec().expect("f32");
    let first = 1.0 / (1.0 + std::f32::consts::E);
    for (i, wanted) in [first, 0.0, 1.0 - first, 0.0]
        .into_iter()
        .cycle()
        .take(8)
        .enumerate()
    {
        assert!((found[i] - wanted).abs() < 1e-6, "{found:?}");
        assert_eq!(found[i] == 0.0, wanted == 0.0, "{found:?}");
    }
}

/// Views that do not lie together in memory, more than two dimensions, and an empty tensor.
fn view_is_read_as_it_lies<B: AutodiffBackend>() {
    let device = Default::default();
    let data = TensorData::new(numbers(3 * 5 * 8, 9), [3, 8, 5]);
    let x = Tensor::<B, 3>::from_data(data, &device).swap_dims(1, 2);
    let copy = Tensor::<B, 3>::from_data(x.to_data(), &device);
    let row = Tensor::<B, 1>::from_data(TensorData::new(numbers(8, 10), [8]), &device);
    let all = |x: Tensor<B, 3>| {
        [
            layer_norm(x.clone(), row.clone(), Some(row.clone()), 1e-5),
            activate(x.clone(), Some(row.clone()), Activation::Gelu),
            scaled_softmax(x.clone(), 0.5),
            l2_normalise(x),
        ]
        .map(bits)
    };
    assert_eq!(all(x), all(copy));
    let nothing = Tensor::<B, 2>::from_data(TensorData::new(Vec::<f32>::new(), [0, 8]), &device);
    assert_eq!(activate(nothing, None, Activation::Gelu).dims(), [0, 8]);
}

/// Heads and tokens change places, forward and backward, whatever lies how in memory.
fn heads_are_misplaced<B: AutodiffBackend>() {
    let device = Default::default();
    for dims in [
        [1, 1, 1, 1],
        [2, 3, 5, 4],
        [3, 65, 4, 16],
        [2, 4, 1, 7],
        [1, 300, 2, 33],
    ] {
        let len = dims.iter().product();
        let tensor = |seed| {
            let data = TensorData::new(numbers(len, seed), dims);
            Tensor::<B, 4>::from_data(data, &device)
        };
        let (x, weights) = (tensor(1).require_grad(), tensor(2).swap_dims(1, 2));
        let run = |y: Tensor<B, 4>| {
            let grads = (y.clone() * weights.clone()).sum().backward();
            (bits(y), bits(x.grad(&grads).expect("tracked")))
        };
        assert_eq!(
            run(swap_heads(x.clone())),
            run(x.clone().swap_dims(1, 2)),
            "{dims:?}"
        );
        for view in [tensor(3).swap_dims(2, 3), tensor(3).flip([2, 3])] {
            assert_eq!(bits(swap_heads(view.clone())), bits(view.swap_dims(1, 2)));
        }
    }
}

/// The sum and its gradients are Burn's, whoever else holds the operands.
fn row_is_added_to_what_another_holds<B: AutodiffBackend>() {
    let device = Default::default();
    for dims in [[1, 1, 1], [3, 5, 4], [70, 2, 130]] {
        let tensor = |n: usize, seed| {
            let dims = [n, dims[1], dims[2]];
            let data = TensorData::new(numbers(dims.iter().product(), seed), dims);
            Tensor::<B, 3>::from_data(data, &device)
        };
        let (x, row) = (
            tensor(dims[0], 1).require_grad(),
            tensor(1, 2).require_grad(),
        );
        let weights = tensor(dims[0], 3);
        let run = |y: Tensor<B, 3>| {
            let grads = (y.clone() * weights.clone()).sum().backward();
            let gradient = |t: &Tensor<B, 3>| bits(t.grad(&grads).expect("tracked"));
            [bits(y), gradient(&x), gradient(&row)]
        };
        let before = bits(x.clone());
        assert_eq!(
            run(add_row(x.clone(), row.clone())),
            run(x.clone() + row.clone()),
            "{dims:?}"
        );
        // In place, and of a view.
        let own = || tensor(dims[0], 4);
        assert_eq!(bits(add_row(own(), row.clone())), bits(own() + row.clone()));
        let view = || own().swap_dims(1, 2);
        let turned = row.clone().swap_dims(1, 2);
        assert_eq!(
            bits(add_row(view(), turned.clone())),
            bits(view() + turned.clone())
        );
        assert_eq!(bits(x.clone()), before);
    }
}

/// A frozen parameter is given no gradient, and the others' are the same bits without it.
fn frozen_parameter_is_trained<B: AutodiffBackend>() {
    let device = Default::default();
    let tensor = |len: usize, seed| {
        Tensor::<B, 1>::from_data(TensorData::new(numbers(len, seed), [len]), &device)
    };
    let run = |trained: bool| {
        let x = tensor(24, 1).reshape([3, 8]).require_grad();
        let mark = |parameter: Tensor<B, 1>| match trained {
            true => parameter.require_grad(),
            false => parameter,
        };
        let (gamma, beta) = (mark(tensor(8, 2)), mark(tensor(8, 3)));
        let y = layer_norm(x.clone(), gamma.clone(), Some(beta.clone()), 1e-5);
        let y = activate(y, Some(beta.clone()), Activation::QuickGelu);
        let grads = y.sum().backward();
        let found = [gamma.grad(&grads), beta.grad(&grads)].map(|grad| grad.is_some());
        (found, bits(x.grad(&grads).expect("tracked")))
    };
    let (trained, frozen) = (run(true), run(false));
    assert_eq!((trained.0, frozen.0), ([true; 2], [false; 2]));
    assert_eq!(trained.1, frozen.1);
}

fn total_is_wrong<B: AutodiffBackend>() {
    totals::<B>(DType::F32);
}

/// No kernel takes it; Vulkan has none.
fn total_in_f64_is_wrong<B: AutodiffBackend>() {
    totals::<B>(DType::F64);
}

/// Sums over all elements, and the gradients that they hand back.
fn totals<B: AutodiffBackend>(dtype: DType) {
    let device = Default::default();
    for dims in [[1, 1], [3, 5], [64, 66], [257, 1024]] {
        let values = numbers(dims[0] * dims[1], 5);
        let data = TensorData::new(values.clone(), dims);
        let x = Tensor::<B, 2>::from_data(data, (&device, dtype)).require_grad();
        // A view: elements in another order.
        let view = x.clone().swap_dims(0, 1);
        let close = |found: Tensor<B, 1>, wanted: f64| {
            assert_eq!((found.dims(), found.dtype()), ([1], dtype));
            let found = found.into_data().iter::<f64>().next().expect("one");
            let size = values.iter().map(|x| f64::from(x.abs())).sum::<f64>();
            assert!(
                (found - wanted).abs() <= 1e-6 * size,
                "{dims:?} {found} {wanted}"
            );
        };
        let exact = values.iter().map(|x| f64::from(*x)).sum::<f64>();
        let squares = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        close(sum(x.clone()), exact);
        close(sum(view.clone()), exact);
        close(mean(view.clone()), exact / values.len() as f64);
        close(sum_of_squares(x.clone().flatten(0, 1)), squares);
        let elements = values.len() as f64;
        close(mean_square(view.clone()), squares / elements);
        // Each by itself, side by side, whether gradients are followed or not.
        let row = || x.clone().flatten::<1>(0, 1);
        let each = vec![row(), row().mul_scalar(2.0), row()];
        let sums = |tensors: Vec<Tensor<B::InnerBackend, 1>>| -> Vec<u64> {
            let numbers = tensors.into_iter().map(Tensor::into_data);
            let bits = |data: TensorData| data.iter::<f64>().map(f64::to_bits).collect::<Vec<_>>();
            numbers.flat_map(bits).collect()
        };
        let inner = |tensors: Vec<Tensor<B, 1>>| tensors.into_iter().map(Tensor::inner).collect();
        let alone = sums(inner(each.iter().cloned().map(sum_of_squares).collect()));
        let untracked = sums(sums_of_squares(inner(each.clone())));
        assert_eq!(untracked, alone, "{dims:?}");
        assert_eq!(sums(inner(sums_of_squares(each))), alone, "{dims:?}");
        let grads = mean_square(view.clone()).mul_scalar(3.0).backward();
        let grad = x.grad(&grads).expect("tracked").into_data();
        for (found, x) in grad.iter::<f64>().zip(&values) {
            let wanted = 6.0 / elements * f64::from(*x);
            assert!((found - wanted).abs() <= 1e-6 / elements, "{dims:?}");
        }
        for (total, slope) in [
            (sum as fn(Tensor<B, 2>) -> Tensor<B, 1>, 1.0),
            (mean, 1.0 / values.len() as f64),
        ] {
            let grads = total(x.clone().swap_dims(0, 1)).mul_scalar(3.0).backward();
            let grad = x.grad(&grads).expect("tracked").into_data();
            assert_eq!(grad.shape.as_slice(), &dims[..]);
            for found in grad.iter::<f64>() {
                assert!(
                    (found - 3.0 * slope).abs() <= 1e-6 * slope,
                    "{dims:?} {found}"
                );
            }
        }
        let squared = sum_of_squares(x.clone().flatten(0, 1));
        let grads = squared.backward();
        let grad = x.grad(&grads).expect("tracked").into_data();
        for (found, x) in grad.iter::<f64>().zip(&values) {
            assert!((found - 2.0 * f64::from(*x)).abs() <= 1e-6, "{dims:?}");
        }
    }
}

macro_rules! on {
    ($backend:ty: $($name:ident),* $(,)?) => {
        $(#[test] fn $name() { super::$name::<$backend>(); })*
    };
}

mod host {
    on!(
        super::Host: layer_norm_is_wrong,
        layer_norm_cancels,
        activation_is_wrong,
        softmax_is_wrong,
        l2_normalise_is_wrong,
        softmax_of_masked_scores_is_wrong,
        view_is_read_as_it_lies,
        heads_are_misplaced,
        row_is_added_to_what_another_holds,
        frozen_parameter_is_trained,
        total_is_wrong,
        total_in_f64_is_wrong,
    );
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod gpu {
    on!(
        super::Gpu: layer_norm_is_wrong,
        layer_norm_cancels,
        activation_is_wrong,
        softmax_is_wrong,
        l2_normalise_is_wrong,
        softmax_of_masked_scores_is_wrong,
        view_is_read_as_it_lies,
        heads_are_misplaced,
        row_is_added_to_what_another_holds,
        frozen_parameter_is_trained,
        total_is_wrong,
    );
}

/// All of them, forward and backward, in a pool of so many threads.
#[cfg(feature = "rayon")]
fn in_threads(threads: usize) -> Vec<Vec<u32>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads").install(|| {
        let shape = [517, 131];
        let cases: [Case<'_, Host>; 5] = [
            &|x, gamma, beta| layer_norm(x, gamma, Some(beta), 1e-5),
            &|x, bias, _| activate(x, Some(bias), Activation::Gelu),
            &|x, _, _| scaled_softmax(x, 0.3),
            &|x, bias, _| add_row(x, bias.unsqueeze()),
            &|x, _, _| {
                let product = |a, b| dacapo_ops::matmul(a, b, dacapo_ops::Precision::F32);
                product(product(x.clone(), x.clone().transpose()), x)
            },
        ];
        let found = cases
            .into_iter()
            .flat_map(|case| values::<Host>(shape, DType::F32, 2.0, case));
        found.map(|(_, tensor)| bits(tensor)).collect()
    })
}

#[cfg(feature = "rayon")]
#[test]
fn bits_depend_on_the_number_of_threads() {
    let alone = in_threads(1);
    for threads in [2, 3, 8] {
        assert_eq!(in_threads(threads), alone, "{threads} threads");
    }
}
