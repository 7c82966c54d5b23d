//! Products of f32 by multiply-add on a device against the host.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;
#[path = "common/matrices.rs"]
mod matrices;

use common::client;
use dacapo_kernels::f32_product::{Operand, ProductShape, f32_product, reference};
use matrices::{numbers, transposed};

/// Batch, m, k, n: tiles that are filled, begun and exceeded in each direction.
const SHAPES: [[usize; 4]; 9] = [
    [1, 4, 4, 4],
    [1, 128, 32, 128],
    [1, 132, 36, 124],
    [1, 100, 64, 260],
    [1, 256, 100, 8],
    [2, 64, 128, 64],
    [3, 20, 12, 140],
    [1, 12, 1000, 16],
    [1, 2052, 20, 2060],
];

#[test]
fn product_differs_from_the_host() {
    let client = client();
    let operand = |matrices: &[Vec<f32>], columns, k_last, padding| {
        matrices::operand(
            &client,
            matrices,
            columns,
            k_last,
            padding,
            f32::to_le_bytes,
        )
    };
    for [batch, m, k, n] in SHAPES {
        let left: Vec<_> = (0..batch).map(|b| numbers(m * k, b as u32)).collect();
        let right: Vec<_> = (0..batch).map(|b| numbers(k * n, 50 + b as u32)).collect();
        let wanted: Vec<f32> = (0..batch)
            .flat_map(|b| reference::f32_product(&left[b], &right[b], [m, k, n]))
            .collect();
        for (left_k, right_k, padding) in [
            (true, false, 0),
            (true, true, 4),
            (false, false, 8),
            (false, true, 0),
        ] {
            let lhs = match left_k {
                true => operand(&left, k, true, padding),
                false => {
                    let left: Vec<_> = left.iter().map(|x| transposed(x, k)).collect();
                    operand(&left, m, false, padding)
                }
            };
            let rhs = match right_k {
                true => {
                    let right: Vec<_> = right.iter().map(|x| transposed(x, n)).collect();
                    operand(&right, k, true, padding)
                }
                false => operand(&right, n, false, padding),
            };
            let shape = ProductShape { batch, m, k, n };
            let found = f32_product(&client, shape, &lhs, &rhs).unwrap();
            let found: Vec<f32> = bytemuck::pod_collect_to_vec(&client.read_one(found).unwrap());
            assert_eq!(found.len(), wanted.len());
            for (at, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                let name = format!("{batch}x{m}x{k}x{n} {left_k} {right_k}: element {at}");
                // Vulkan may round a fused multiply-add twice.
                let bound = if cfg!(feature = "cuda") { 0.0 } else { 1e-4 };
                assert!(
                    (found - wanted).abs() <= bound,
                    "{name}: {found}, not {wanted}"
                );
            }
        }
    }
}

#[test]
fn part_of_a_vector_is_taken() {
    let client = client();
    let handle = client.empty(4 * 4096);
    let operand = |k_last, stride| Operand {
        handle: handle.clone(),
        k_last,
        stride,
        batch_stride: 0,
    };
    let taken = |m, k, n, lhs, rhs| ProductShape { batch: 1, m, k, n }.is_taken(&lhs, &rhs);
    assert!(taken(5, 8, 8, operand(true, 8), operand(false, 8)));
    assert!(!taken(5, 6, 8, operand(true, 8), operand(false, 8)));
    assert!(taken(8, 6, 8, operand(false, 8), operand(false, 8)));
    assert!(!taken(5, 6, 8, operand(false, 8), operand(false, 8)));
    assert!(!taken(8, 8, 8, operand(true, 10), operand(false, 8)));
    assert!(!taken(8, 8, 6, operand(true, 8), operand(true, 8)));
    assert!(!taken(0, 8, 8, operand(true, 8), operand(false, 8)));
    let shifted = Operand {
        handle: handle.clone().offset_start(4),
        ..operand(true, 8)
    };
    assert!(!taken(8, 8, 8, shifted, operand(false, 8)));
}
