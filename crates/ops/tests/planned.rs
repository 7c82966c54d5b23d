//! The planned products on a GPU, or on Vulkan's software driver, against f64.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use burn::backend::Autodiff;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use common::{Host, bits, error};
use dacapo_ops::{KernelPlan, Layout, MatmulShape, PlannedMatmul, Precision, linear, matmul};

#[cfg(feature = "cuda")]
type Plain = burn_cuda::Cuda;
#[cfg(not(feature = "cuda"))]
type Plain = burn_wgpu::Wgpu;
type Tracked = Autodiff<Plain>;

/// The precisions that this device has.
fn precisions() -> Vec<Precision> {
    let has = |precision: &Precision| Plain::supports(&Default::default(), *precision);
    Precision::ALL.into_iter().filter(has).collect()
}

/// How far a product of `k` terms may be from the f64 sum of the products of rounded operands.
fn bound(precision: Precision, k: usize) -> f64 {
    let sums = 1e-6 * (k as f64).sqrt().max(1.0);
    match precision {
        // Ties, and how deep in a kernel an operand is rounded, differ between kernels.
        Precision::Tf32 => sums + 2e-3,
        _ => sums,
    }
}

/// Batch, m, k, n: odd, size one, and some that fill several tiles.
const SHAPES: &[[usize; 4]] = &[
    [1, 1, 1, 1],
    [1, 1, 64, 64],
    [1, 64, 64, 1],
    [1, 64, 1, 64],
    [1, 5, 7, 3],
    [1, 64, 64, 64],
    [1, 67, 131, 45],
    [1, 544, 64, 128],
    [1, 130, 257, 70],
    [3, 17, 16, 17],
    [4, 65, 33, 12],
];

#[test]
fn product_is_wrong_for_some_shape() {
    let device = Default::default();
    for precision in precisions() {
        for (i, &[batch, m, k, n]) in SHAPES.iter().enumerate() {
            let lhs = Host::random(batch, m, k, 2 * i as u64);
            let rhs = Host::random(batch, k, n, 2 * i as u64 + 1);
            let wanted = lhs.rounded(precision).times(&rhs.rounded(precision));
            for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
                let tensor = |host: &Host, transposed| match transposed {
                    true => host.tensor_transposed::<Plain>(&device),
                    false => host.tensor::<Plain>(&device),
                };
                let product = matmul(tensor(&lhs, left), tensor(&rhs, right), precision);
                assert_eq!(product.dims(), [batch, m, n]);
                let error = error(product, &wanted);
                assert!(
                    error < bound(precision, k),
                    "{precision} {batch}x{m}x{k}x{n} transposed {left} {right}: {error:e}"
                );
            }
        }
    }
}

/// Results whose rows CUDA's allocations put space between, and others; the parts' results are added
/// as they lie.
#[test]
fn product_in_parts_is_wrong() {
    let device = Default::default();
    for precision in precisions() {
        for [m, k, n] in [[64, 768, 66], [8, 768, 72], [64, 1024, 64], [5, 520, 33]] {
            let shape = MatmulShape {
                batch: 1,
                m,
                k,
                n,
                layout: Layout::Nn,
                aligned: true,
            };
            assert!(KernelPlan::current().parts(&shape) > 1, "{shape:?}");
            let (lhs, rhs) = (Host::random(1, m, k, 31), Host::random(1, k, n, 32));
            let wanted = lhs.rounded(precision).times(&rhs.rounded(precision));
            for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
                let tensor = |host: &Host, transposed| -> Tensor<Plain, 2> {
                    match transposed {
                        true => {
                            let tensor = host.transposed().tensor::<Plain>(&device);
                            tensor.reshape([host.columns, host.rows]).transpose()
                        }
                        false => host
                            .tensor::<Plain>(&device)
                            .reshape([host.rows, host.columns]),
                    }
                };
                let product = matmul(tensor(&lhs, left), tensor(&rhs, right), precision);
                let error = error(product.unsqueeze::<3>(), &wanted);
                assert!(
                    error < bound(precision, k),
                    "{precision} {m}x{k}x{n} transposed {left} {right}: {error:e}"
                );
            }
        }
    }
}

#[test]
fn gradient_is_wrong() {
    let device = Default::default();
    for precision in precisions() {
        for &[batch, m, k, n] in &[[1, 9, 31, 6], [2, 65, 33, 40]] {
            let (x, w) = (Host::random(batch, m, k, 21), Host::random(batch, k, n, 22));
            let y = Host::random(batch, m, n, 23);
            let (tx, tw) = (
                x.tensor::<Tracked>(&device).require_grad(),
                w.tensor::<Tracked>(&device).require_grad(),
            );
            let product = matmul(tx.clone(), tw.clone(), precision);
            let grads = (product * y.tensor::<Tracked>(&device)).sum().backward();
            let (rx, rw, ry) = (
                x.rounded(precision),
                w.rounded(precision),
                y.rounded(precision),
            );
            let dx = error(
                tx.grad(&grads).expect("tracked"),
                &ry.times(&rw.transposed()),
            );
            let dw = error(
                tw.grad(&grads).expect("tracked"),
                &rx.transposed().times(&ry),
            );
            assert!(
                dx < bound(precision, n) && dw < bound(precision, m),
                "{precision}: {dx:e} {dw:e}"
            );
        }
    }
}

#[test]
fn gradient_of_a_repeated_matrix_is_not_summed() {
    let device = Default::default();
    let (x, w) = (Host::random(3, 9, 31, 24), Host::random(1, 31, 6, 25));
    let y = Host::random(3, 9, 6, 26);
    let tw = w.tensor::<Tracked>(&device).require_grad();
    let product = matmul(x.tensor::<Tracked>(&device), tw.clone(), Precision::F32);
    assert!(error(product.clone(), &x.times(&w)) < bound(Precision::F32, 31));
    let grads = (product * y.tensor::<Tracked>(&device)).sum().backward();
    let wanted = x.transposed().times(&y).batch_sum();
    assert!(error(tw.grad(&grads).expect("tracked"), &wanted) < 1e-5);
}

/// x `[2, 3, 4, in]`, so that all leading dimensions must become rows.
#[test]
fn linear_is_wrong() {
    let device = Default::default();
    let (d_in, d_out) = (20, 12);
    for precision in precisions() {
        let (x, w) = (
            Host::random(1, 24, d_in, 31),
            Host::random(1, d_in, d_out, 32),
        );
        let (bias, y) = (
            Host::random(1, 1, d_out, 33),
            Host::random(1, 24, d_out, 34),
        );
        let tx = x
            .tensor::<Tracked>(&device)
            .reshape([2, 3, 4, d_in])
            .require_grad();
        let tw = w
            .tensor::<Tracked>(&device)
            .reshape([d_in, d_out])
            .require_grad();
        let tb = bias
            .tensor::<Tracked>(&device)
            .reshape([d_out])
            .require_grad();

        let (rx, rw, ry) = (
            x.rounded(precision),
            w.rounded(precision),
            y.rounded(precision),
        );
        let mut wanted = rx.times(&rw);
        for (i, value) in wanted.values.iter_mut().enumerate() {
            *value += bias.values[i % d_out];
        }
        let found = linear(tx.clone(), tw.clone(), Some(tb.clone()), precision);
        assert_eq!(found.dims(), [2, 3, 4, d_out]);
        assert!(
            error(found.clone(), &wanted) < bound(precision, d_in),
            "{precision}"
        );
        let without = linear(tx.clone(), tw.clone(), None, precision);
        assert!(
            error(without, &rx.times(&rw)) < bound(precision, d_in),
            "{precision}"
        );

        let y4 = y.tensor::<Tracked>(&device).reshape([2, 3, 4, d_out]);
        let grads = (found * y4).sum().backward();
        let dx = error(
            tx.grad(&grads).expect("tracked"),
            &ry.times(&rw.transposed()),
        );
        let dw = error(
            tw.grad(&grads).expect("tracked"),
            &rx.transposed().times(&ry),
        );
        let ones = Host {
            batch: 1,
            rows: 1,
            columns: 24,
            values: vec![1.0; 24],
        };
        let db = error(tb.grad(&grads).expect("tracked"), &ones.times(&y));
        assert!(
            dx < bound(precision, d_out) && dw < bound(precision, 24),
            "{precision}: {dx:e} {dw:e}"
        );
        assert!(db < 1e-5, "{precision}: {db:e}");
    }
}

/// As in attention: `[n, tokens, heads, d]` seen as `[n, heads, tokens, d]`, and keys transposed.
#[test]
fn permuted_batches_are_misread() {
    let device = Default::default();
    let (n, heads, tokens, d) = (2, 3, 17, 8);
    for precision in precisions() {
        let split = |seed| {
            let host = Host::random(n, tokens, heads * d, seed);
            let tensor = host
                .tensor::<Plain>(&device)
                .reshape([n, tokens, heads, d])
                .swap_dims(1, 2);
            let mut values = Vec::new();
            for i in 0..n {
                for h in 0..heads {
                    for t in 0..tokens {
                        values.extend((0..d).map(|c| host.at(i, t, h * d + c)));
                    }
                }
            }
            (
                tensor,
                Host {
                    batch: n * heads,
                    rows: tokens,
                    columns: d,
                    values,
                }
                .rounded(precision),
            )
        };
        let ((query, q), (key, k)) = (split(41), split(42));
        let scores = matmul(query, key.swap_dims(2, 3), precision);
        assert_eq!(scores.dims(), [n, heads, tokens, tokens]);
        let error = error(scores, &q.times(&k.transposed()));
        assert!(error < bound(precision, d), "{precision}: {error:e}");
    }
}

/// As an attention has them: heads beside each other in the rows of `[n, tokens, heads * width]`, seen as
/// `[n, heads, tokens, width]`; scores of a transposed view, and shares by values.
#[test]
fn heads_are_mixed_up() {
    let device = Default::default();
    let [n, heads, tokens, width] = [3, 4, 37, 8];
    let numbers = |seed| common::numbers(n * tokens * heads * width, seed);
    let (queries, keys, values) = (numbers(51), numbers(52), numbers(53));
    let weights = common::numbers(n * heads * tokens * tokens, 54);
    let asked = numbers(55);
    // The matrix `[tokens, width]` of one head of one sequence.
    let head = |x: &[f32], i: usize, head: usize| {
        let at = |token, column| x[((i * tokens + token) * heads + head) * width + column];
        let rows = (0..tokens).flat_map(|token| (0..width).map(move |column| at(token, column)));
        Host {
            batch: 1,
            rows: tokens,
            columns: width,
            values: rows.map(f64::from).collect(),
        }
    };
    let square = |x: &[f32], i: usize, head: usize| Host {
        batch: 1,
        rows: tokens,
        columns: tokens,
        values: {
            let from = (i * heads + head) * tokens * tokens;
            let values = x[from..from + tokens * tokens].iter();
            values.map(|x| f64::from(*x)).collect()
        },
    };
    for precision in precisions() {
        let leaf = |x: &[f32], dims: [usize; 4]| {
            let data = TensorData::new(x.to_vec(), dims);
            Tensor::<Tracked, 4>::from_data(data, &device).require_grad()
        };
        let view = |x: &Tensor<Tracked, 4>| x.clone().swap_dims(1, 2);
        let [q, k, v] = [&queries, &keys, &values].map(|x| leaf(x, [n, tokens, heads, width]));
        let scores = matmul(view(&q), view(&k).swap_dims(2, 3), precision);
        let w = leaf(&weights, [n, heads, tokens, tokens]);
        let mixed = matmul(w.clone(), view(&v), precision).swap_dims(1, 2);
        let dy = leaf(&asked, [n, tokens, heads, width]);
        let ds = leaf(&weights, [n, heads, tokens, tokens]);
        let loss = (scores.clone() * ds).sum() + (mixed.clone() * dy).sum();
        let grads = loss.backward();
        let data = |x: Tensor<Plain, 4>| x.into_data().to_vec::<f32>().expect("f32");
        let [dq, dk, dv] = [&q, &k, &v].map(|x| data(x.grad(&grads).expect("a gradient")));
        let dw = data(w.grad(&grads).expect("a gradient"));
        let (scores, mixed) = (data(scores.inner()), data(mixed.inner()));
        let same = |name: &str, found: Host, left: &Host, right: &Host| {
            let wanted = left.rounded(precision).times(&right.rounded(precision));
            let bound = bound(precision, left.columns);
            for (found, wanted) in found.values.iter().zip(&wanted.values) {
                let error = (found - wanted).abs() / (left.columns as f64).sqrt();
                assert!(error < bound, "{precision} {name}: {found}, not {wanted}");
            }
        };
        for i in 0..n {
            for h in 0..heads {
                let [q, k, v, dy] = [&queries, &keys, &values, &asked].map(|x| head(x, i, h));
                let w = square(&weights, i, h);
                same("scores", square(&scores, i, h), &q, &k.transposed());
                same("mixed", head(&mixed, i, h), &w, &v);
                same("queries", head(&dq, i, h), &w, &k);
                same("keys", head(&dk, i, h), &w.transposed(), &q);
                same("values", head(&dv, i, h), &w.transposed(), &dy);
                same("weights", square(&dw, i, h), &dy, &v.transposed());
            }
        }
    }
}

#[test]
fn second_launch_gives_other_bits() {
    let device = Default::default();
    let (lhs, rhs) = (Host::random(2, 65, 200, 51), Host::random(2, 200, 33, 52));
    for precision in precisions() {
        let once = || {
            let (lhs, rhs) = (lhs.tensor::<Plain>(&device), rhs.tensor::<Plain>(&device));
            bits(matmul(lhs, rhs, precision))
        };
        let first = once();
        for _ in 0..3 {
            assert_eq!(first, once(), "{precision}");
        }
    }
}

#[test]
fn frozen_operand_gets_a_gradient() {
    let device = Default::default();
    let x = Host::random(1, 4, 8, 61)
        .tensor::<Tracked>(&device)
        .require_grad();
    let w = Host::random(1, 8, 4, 62).tensor::<Tracked>(&device);
    let grads = matmul(x.clone(), w.clone(), Precision::F32)
        .sum()
        .backward();
    assert!(w.grad(&grads).is_none());
    assert!(x.grad(&grads).is_some());
    // Nor is a product of two frozen tensors part of the graph.
    let product = matmul(
        x.clone().detach().set_require_grad(false),
        w,
        Precision::F32,
    );
    assert!(!product.is_require_grad());
}

#[test]
fn nothing_is_multiplied() {
    let device = Default::default();
    // Neither by `zeros` nor from data: CUDA refuses to fill nothing, and to copy it.
    let nothing = |shape: [usize; 2]| Tensor::<Plain, 2>::empty(shape, &device);
    let empty = nothing([3, 0]);
    let sum = matmul(empty.clone(), nothing([0, 2]), Precision::F32);
    assert_eq!(bits(sum), vec![0; 6]);
    let none = matmul(
        empty.transpose(),
        Tensor::ones([3, 2], &device),
        Precision::F32,
    );
    assert_eq!(none.dims(), [0, 2]);
}

/// A generic function knows only that `B` is a backend: that the plan is used shows where the
/// device lacks a precision, which Burn's own product would not notice.
#[test]
fn generic_code_goes_around_the_plan() {
    fn refused<B: Backend>(precision: Precision) -> bool {
        let run = || {
            let tensor = Tensor::<B, 2>::ones([4, 4], &Default::default());
            let product = matmul(tensor.clone(), tensor.clone(), precision);
            linear(product, tensor, None, precision).into_data()
        };
        std::panic::catch_unwind(run).is_err()
    }
    let has = precisions();
    for precision in Precision::ALL {
        let expected = !has.contains(&precision);
        assert_eq!(refused::<Plain>(precision), expected, "{precision}");
        assert_eq!(refused::<Tracked>(precision), expected, "{precision}");
    }
}
