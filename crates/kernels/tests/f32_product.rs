//! Products of f32 by multiply-add on a device against the host.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use common::{TestRuntime, client};
use cubecl::prelude::*;
use dacapo_kernels::f32_product::{Operand, ProductShape, f32_product, reference};

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    (0..len as u32)
        .map(|i| {
            let mixed = (i + 7919 * seed).wrapping_mul(2_654_435_769) >> 8;
            mixed as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    let at = |i: usize, j: usize| matrix[j * columns + i];
    (0..columns)
        .flat_map(|i| (0..rows).map(move |j| at(i, j)))
        .collect()
}

/// `matrices` of `[outer, k]`, or of `[k, outer]` if not `k_last`, in rows that are `padding`
/// longer, after `before` other numbers.
fn operand(
    client: &ComputeClient<TestRuntime>,
    matrices: &[Vec<f32>],
    columns: usize,
    k_last: bool,
    padding: usize,
) -> Operand {
    let mut all = vec![f32::NAN; BEFORE];
    for matrix in matrices {
        for row in matrix.chunks(columns) {
            all.extend(row);
            all.extend(vec![f32::NAN; padding]);
        }
    }
    let rows = matrices[0].len() / columns;
    Operand {
        handle: client
            .create_from_slice(bytemuck::cast_slice(&all))
            .offset_start(4 * BEFORE as u64),
        k_last,
        stride: columns + padding,
        batch_stride: if matrices.len() == 1 {
            0
        } else {
            rows * (columns + padding)
        },
    }
}

/// Numbers before an operand: as many as any device wants between the begins of two buffers.
const BEFORE: usize = 64;

/// Batch, m, k, n: tiles that are filled, begun and exceeded in each direction.
const SHAPES: [[usize; 4]; 8] = [
    [1, 4, 4, 4],
    [1, 128, 32, 128],
    [1, 132, 36, 124],
    [1, 100, 64, 260],
    [1, 256, 100, 8],
    [2, 64, 128, 64],
    [3, 20, 12, 140],
    [1, 12, 1000, 16],
];

#[test]
fn product_differs_from_the_host() {
    let client = client();
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
                true => operand(&client, &left, k, true, padding),
                false => {
                    let left: Vec<_> = left.iter().map(|x| transposed(x, k)).collect();
                    operand(&client, &left, m, false, padding)
                }
            };
            let rhs = match right_k {
                true => {
                    let right: Vec<_> = right.iter().map(|x| transposed(x, n)).collect();
                    operand(&client, &right, k, true, padding)
                }
                false => operand(&client, &right, n, false, padding),
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
