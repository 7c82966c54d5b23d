//! The kernels of a transformer block on a device against their references in f64.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use common::{TestRuntime, client};
use cubecl::prelude::*;
use cubecl::server::Handle;
use dacapo_kernels::activation::{self, ActivationKind, activation, activation_backward};
use dacapo_kernels::l2_normalise::{self, l2_normalise, l2_normalise_backward};
use dacapo_kernels::layer_norm::{self, layer_norm, layer_norm_backward};
use dacapo_kernels::softmax::{self, softmax, softmax_backward};
use dacapo_kernels::sum_all::{self, Terms, sum_all, sum_each};
use dacapo_kernels::sum_parts::{self, sum_parts};
use dacapo_kernels::{KernelError, RowShape};

type Client = ComputeClient<TestRuntime>;

/// Rows and widths: fewer and more than the units of a row and the rows of a cube.
const SHAPES: [[usize; 2]; 8] = [
    [1, 1],
    [1, 3],
    [3, 4],
    [8, 33],
    [9, 128],
    [17, 132],
    [2, 1030],
    [70, 64],
];

fn numbers(len: usize, seed: u32, scale: f32) -> Vec<f32> {
    (0..len as u32)
        .map(|i| {
            let mixed = (i + 7919 * seed).wrapping_mul(2_654_435_769) >> 8;
            (mixed as f32 / 8_388_608.0 - 1.0) * scale
        })
        .collect()
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|x| f64::from(*x)).collect()
}

fn upload(client: &Client, values: &[f32]) -> Handle {
    client.create_from_slice(bytemuck::cast_slice(values))
}

/// The same values in a buffer that begins one element later than vectors may.
fn upload_shifted(client: &Client, values: &[f32]) -> Handle {
    let mut all = vec![f32::NAN];
    all.extend(values);
    upload(client, &all).offset_start(4)
}

fn download(client: &Client, handle: Handle) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&client.read_one(handle).unwrap())
}

fn close(name: &str, found: &[f32], wanted: &[f64], bound: f64) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    let largest = wanted.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
    for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let error = (f64::from(*found) - wanted).abs() / largest;
        assert!(
            error < bound,
            "{name}[{i}]: expected {wanted}, found {found}"
        );
    }
}

/// Calls `test` with both ways to upload and every shape.
fn each(test: impl Fn(&Client, &dyn Fn(&[f32]) -> Handle, RowShape, &str)) {
    let client = client();
    for [rows, width] in SHAPES {
        let shape = RowShape {
            rows: rows as u64,
            width: width as u64,
        };
        // Vulkan takes no buffer that begins at any element.
        for shifted in [false, cfg!(feature = "cuda")] {
            let put = |values: &[f32]| match shifted {
                true => upload_shifted(&client, values),
                false => upload(&client, values),
            };
            test(
                &client,
                &put,
                shape,
                &format!("{rows}x{width} shifted {shifted}"),
            );
        }
    }
}

#[test]
fn layer_norm_differs_from_f64() {
    each(|client, put, shape, name| {
        let (len, width) = (shape.len() as usize, shape.width as usize);
        let (x, dy) = (numbers(len, 1, 3.0), numbers(len, 2, 1.0));
        let (gamma, beta) = (numbers(width, 3, 1.0), numbers(width, 4, 1.0));
        let (hx, hgamma, hbeta, hdy) = (put(&x), put(&gamma), put(&beta), put(&dy));
        for shift in [false, true] {
            let shift_by = shift.then_some(&hbeta);
            let found = layer_norm(client, shape, &hx, &hgamma, shift_by, 1e-5).unwrap();
            let shift_by = shift.then(|| wide(&beta));
            let (y, mean, rstd) = layer_norm::reference::layer_norm(
                &wide(&x),
                &wide(&gamma),
                shift_by.as_deref(),
                1e-5,
            );
            let stats = [&found.mean, &found.rstd];
            let dx = layer_norm_backward(client, shape, &hx, &hgamma, stats, &hdy).unwrap();
            close(name, &download(client, found.y), &y, 3e-5);
            close(name, &download(client, found.mean), &mean, 1e-5);
            close(name, &download(client, found.rstd), &rstd, 1e-5);
            let wanted = layer_norm::reference::layer_norm_backward(
                &wide(&x),
                &wide(&gamma),
                1e-5,
                &wide(&dy),
            );
            close(name, &download(client, dx), &wanted, 3e-5);
        }
    });
}

#[test]
fn activation_differs_from_f64() {
    each(|client, put, shape, name| {
        let (len, width) = (shape.len() as usize, shape.width as usize);
        let (x, dy) = (numbers(len, 1, 8.0), numbers(len, 2, 1.0));
        let bias = numbers(width, 3, 2.0);
        let (hx, hbias, hdy) = (put(&x), put(&bias), put(&dy));
        for kind in [ActivationKind::Gelu, ActivationKind::QuickGelu] {
            for biased in [false, true] {
                let added = biased.then_some(&hbias);
                let y = activation(client, kind, shape, &hx, added).unwrap();
                let dx = activation_backward(client, kind, shape, &hx, added, &hdy).unwrap();
                let from = |i: usize| match biased {
                    true => f64::from(x[i] + bias[i % width]),
                    false => f64::from(x[i]),
                };
                let wanted: Vec<f64> = (0..len)
                    .map(|i| activation::reference::activation(kind, from(i)))
                    .collect();
                let slopes: Vec<f64> = (0..len)
                    .map(|i| f64::from(dy[i]) * activation::reference::slope(kind, from(i)))
                    .collect();
                close(name, &download(client, y), &wanted, 3e-6);
                close(name, &download(client, dx), &slopes, 3e-6);
            }
        }
    });
}

#[test]
fn softmax_differs_from_f64() {
    each(|client, put, shape, name| {
        let (len, width) = (shape.len() as usize, shape.width as usize);
        let (mut x, dy) = (numbers(len, 1, 6.0), numbers(len, 2, 1.0));
        if width > 1 {
            // A score that is masked.
            x[1] = f32::NEG_INFINITY;
        }
        for scale in [0.125, 1.5] {
            let y = softmax(client, shape, &put(&x), scale).unwrap();
            let dx = softmax_backward(client, shape, &y, &put(&dy), scale).unwrap();
            let scale = f64::from(scale);
            let rows = wide(&x);
            let wanted: Vec<f64> = rows
                .chunks(width)
                .flat_map(|row| softmax::reference::softmax(row, scale))
                .collect();
            let gradients: Vec<f64> = wanted
                .chunks(width)
                .zip(wide(&dy).chunks(width))
                .flat_map(|(y, dy)| softmax::reference::softmax_backward(y, dy, scale))
                .collect();
            close(name, &download(client, y), &wanted, 3e-6);
            close(name, &download(client, dx), &gradients, 3e-6);
        }
    });
}

#[test]
fn l2_normalise_differs_from_f64() {
    each(|client, put, shape, name| {
        let (len, width) = (shape.len() as usize, shape.width as usize);
        let (x, dy) = (numbers(len, 1, 6.0), numbers(len, 2, 1.0));
        let [y, norms] = l2_normalise(client, shape, &put(&x)).unwrap();
        let dx = l2_normalise_backward(client, shape, &y, &norms, &put(&dy)).unwrap();
        let (mut wanted, mut lengths, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
        for (x, dy) in wide(&x).chunks(width).zip(wide(&dy).chunks(width)) {
            let (y, norm) = l2_normalise::reference::l2_normalise(x);
            gradients.extend(l2_normalise::reference::l2_normalise_backward(&y, norm, dy));
            wanted.extend(y);
            lengths.push(norm);
        }
        close(name, &download(client, y), &wanted, 3e-6);
        close(name, &download(client, norms), &lengths, 3e-6);
        close(name, &download(client, dx), &gradients, 3e-6);
    });
}

#[test]
fn parts_are_added_in_another_order() {
    each(|client, put, shape, name| {
        let parts = numbers(shape.len() as usize, 1, 3.0);
        let found = download(client, sum_parts(client, shape, &put(&parts)).unwrap());
        let wanted = sum_parts::reference::sum_parts(&parts, shape.width as usize);
        assert_eq!(found, wanted, "{name}");
    });
}

#[test]
fn elements_are_added_in_another_order() {
    let client = client();
    // Fewer and more than a cube's units, lanes and elements, whole vectors and not.
    for len in [
        1,
        3,
        4,
        255,
        1024,
        1030,
        4097,
        32_768,
        32_769,
        100_000,
        1 << 20,
    ] {
        let x = numbers(len, 3, 2.0);
        let handle = upload(&client, &x);
        for terms in [Terms::Elements, Terms::Squares] {
            let wanted = sum_all::reference::sum_all(&x, terms);
            let exact: f64 = wide(&x)
                .into_iter()
                .map(|x| if terms == Terms::Squares { x * x } else { x })
                .sum();
            let size: f64 = wide(&x).into_iter().map(|x| x.abs().max(x * x)).sum();
            let found: Vec<f32> = (0..3)
                .map(|_| {
                    let total = sum_all(&client, len as u64, &handle, terms).unwrap();
                    download(&client, total)[0]
                })
                .collect();
            for value in [wanted, found[0]] {
                assert!(
                    (f64::from(value) - exact).abs() <= 1e-6 * size,
                    "{len} {terms:?}"
                );
            }
            // Vulkan may round a product before it is added.
            if terms == Terms::Elements || cfg!(feature = "cuda") {
                assert_eq!(found, [wanted; 3], "{len} {terms:?}");
            }
            assert_eq!(found, [found[0]; 3], "{len} {terms:?}");
        }
    }
    // Each by itself, more than a launch takes, of every kind.
    let lens = [1, 4, 1000, 1001, 32_768, 32_772, 40_003, 100_000, 0, 7, 64];
    let each: Vec<Vec<f32>> = (0..33)
        .map(|i| numbers(lens[i % lens.len()], i as u32, 2.0))
        .collect();
    let handles: Vec<_> = each.iter().map(|x| upload(&client, x)).collect();
    let tensors: Vec<_> = each
        .iter()
        .zip(&handles)
        .map(|(x, handle)| (x.len() as u64, handle))
        .collect();
    for terms in [Terms::Elements, Terms::Squares] {
        let totals = download(&client, sum_each(&client, &tensors, terms).unwrap());
        assert_eq!(totals.len(), tensors.len());
        for (at, ((len, handle), total)) in tensors.iter().zip(totals).enumerate() {
            let alone = download(&client, sum_all(&client, *len, handle, terms).unwrap())[0];
            assert_eq!(total.to_bits(), alone.to_bits(), "{terms:?} {at}: {len}");
        }
    }
    let none = upload(&client, &[]);
    let nothing = sum_all(&client, 0, &none, Terms::Squares).unwrap();
    assert_eq!(download(&client, nothing), [0.0]);
}

#[test]
fn repeated_launches_differ() {
    let client = client();
    let shape = RowShape {
        rows: 70,
        width: 132,
    };
    let x = upload(&client, &numbers(70 * 132, 5, 2.0));
    let gamma = upload(&client, &numbers(132, 6, 1.0));
    let run = || {
        let normalised = layer_norm(&client, shape, &x, &gamma, None, 1e-5).unwrap();
        let shares = softmax(&client, shape, &normalised.y, 0.7).unwrap();
        let bits = |handle| {
            let values = download(&client, handle);
            values.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        [normalised.y, normalised.mean, normalised.rstd, shares].map(bits)
    };
    let first = run();
    for _ in 0..3 {
        assert_eq!(run(), first);
    }
}

#[test]
fn a_short_or_long_tensor_is_read() {
    let client = client();
    let shape = RowShape { rows: 2, width: 4 };
    let (x, row) = (upload(&client, &[0.0; 8]), upload(&client, &[0.0; 4]));
    let short = upload(&client, &[0.0; 3]);
    let refused = layer_norm(&client, shape, &short, &row, None, 1e-5);
    assert!(matches!(
        refused,
        Err(KernelError::TooShort { what: "x", .. })
    ));
    let refused = layer_norm(&client, shape, &x, &short, None, 1e-5);
    assert!(matches!(
        refused,
        Err(KernelError::TooShort { what: "gamma", .. })
    ));
    let refused = activation(&client, ActivationKind::Gelu, shape, &x, Some(&short));
    assert!(matches!(
        refused,
        Err(KernelError::TooShort { what: "bias", .. })
    ));
    let refused = softmax_backward(&client, shape, &x, &row, 1.0);
    assert!(matches!(
        refused,
        Err(KernelError::TooShort { what: "dy", .. })
    ));
    let long = RowShape {
        rows: 1 << 20,
        width: 1 << 20,
    };
    let refused = softmax(&client, long, &x, 1.0);
    assert!(matches!(refused, Err(KernelError::TooLong { .. })));
    let none = RowShape { rows: 0, width: 4 };
    assert!(download(&client, softmax(&client, none, &x, 1.0).unwrap()).is_empty());
}
