//! Products on Hopper's tensor cores against the host.
#![cfg(feature = "cuda")]

mod common;
#[path = "common/matrices.rs"]
mod matrices;
#[path = "common/rounded.rs"]
mod rounded;

use common::client;
use dacapo_kernels::f32_product::{Operand, ProductShape};
use dacapo_kernels::finish::Finish;
use dacapo_kernels::tensor_core_product::{
    Numbers, Stored, is_supported, is_taken, tensor_core_product,
};
use matrices::{numbers, transposed};
use rounded::{operand, products};

/// Says so where the GPU is another.
fn is_here() -> bool {
    let here = is_supported(0);
    if !here {
        eprintln!("skipped: the first GPU has no compute capability 9.0");
    }
    here
}

/// Batch, m, k, n: tiles that are filled, begun and exceeded in each direction, fewer steps of k
/// than stages and more.
const SHAPES: [[usize; 4]; 9] = [
    [1, 4, 8, 4],
    [1, 128, 32, 128],
    [1, 132, 40, 124],
    [1, 100, 64, 262],
    [1, 256, 104, 8],
    [2, 64, 128, 64],
    [3, 20, 16, 140],
    [1, 12, 1000, 16],
    [1, 300, 1051, 514],
];

#[test]
fn product_differs_from_the_host() {
    if !is_here() {
        return;
    }
    let client = client();
    let kinds = [
        (Numbers::Tf32, [Stored::F32; 2]),
        (Numbers::Bf16, [Stored::Bf16; 2]),
        (Numbers::Bf16, [Stored::Bf16, Stored::F32]),
    ];
    for (numbers_of, [left_stored, right_stored]) in kinds {
        for [batch, m, k, n] in SHAPES {
            let left: Vec<_> = (0..batch).map(|b| numbers(m * k, b as u32)).collect();
            let right: Vec<_> = (0..batch).map(|b| numbers(k * n, 50 + b as u32)).collect();
            let wanted = products(numbers_of, [&left, &right], [m, k, n]);
            // Rows of the left operand at multiples of 16 bytes, whatever k is.
            let padding = k.next_multiple_of(8) - k;
            let lhs = operand(&left, k, true, padding + 8, left_stored);
            for (right_k, padding) in [(false, 0), (false, 3), (true, padding), (true, 1)] {
                let rhs = match right_k {
                    true => {
                        let right: Vec<_> = right.iter().map(|x| transposed(x, n)).collect();
                        operand(&right, k, true, padding, right_stored)
                    }
                    false => operand(&right, n, false, padding, right_stored),
                };
                let name = format!(
                    "{numbers_of:?} {right_stored:?} {batch}x{m}x{k}x{n} {right_k} {padding}"
                );
                let shape = ProductShape { batch, m, k, n };
                let product = || -> Vec<f32> {
                    let plain = Finish::Plain;
                    let rhs = (&rhs, right_stored);
                    let product = tensor_core_product(&client, shape, numbers_of, &lhs, rhs, plain);
                    bytemuck::pod_collect_to_vec(&client.read_one(product.unwrap().out).unwrap())
                };
                let found = product();
                assert_eq!(found.len(), wanted.len());
                // Sums of f32; a product of unrounded operands would be off by ten times as much.
                let bound = 2e-7 * k as f64 + 1e-6;
                for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                    let error = (f64::from(*found) - wanted).abs();
                    assert!(
                        error <= bound,
                        "{name}: element {at}: {found}, not {wanted}"
                    );
                }
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&found), bits(&product()), "{name}: a second time");
            }
        }
    }
}

#[test]
fn operand_that_cannot_be_read_is_taken() {
    let client = client();
    let handle = client.empty(4 * 4096);
    let operand = |k_last, stride| Operand {
        handle: handle.clone(),
        k_last,
        stride,
        batch_stride: 0,
    };
    let taken = |m, k, n, numbers, lhs, rhs| {
        let stored = match numbers {
            Numbers::Tf32 => Stored::F32,
            Numbers::Bf16 => Stored::Bf16,
        };
        let shape = ProductShape { batch: 1, m, k, n };
        is_taken(shape, numbers, &lhs, (&rhs, stored))
    };
    let tf32 = Numbers::Tf32;
    assert!(taken(5, 7, 8, tf32, operand(true, 8), operand(false, 9)));
    assert!(taken(5, 7, 8, tf32, operand(true, 8), operand(true, 7)));
    assert!(!taken(5, 7, 8, tf32, operand(false, 8), operand(false, 8)));
    assert!(!taken(5, 7, 8, tf32, operand(true, 10), operand(false, 8)));
    assert!(!taken(5, 7, 7, tf32, operand(true, 8), operand(false, 8)));
    assert!(!taken(5, 0, 8, tf32, operand(true, 8), operand(false, 8)));
    let bf16 = Numbers::Bf16;
    assert!(taken(5, 7, 8, bf16, operand(true, 8), operand(false, 9)));
    assert!(!taken(5, 7, 8, bf16, operand(true, 12), operand(false, 8)));
    let shifted = Operand {
        handle: handle.clone().offset_start(4),
        ..operand(true, 8)
    };
    assert!(!taken(5, 7, 8, tf32, shifted.clone(), operand(false, 8)));
    assert!(taken(5, 7, 8, tf32, operand(true, 8), shifted));
}
