//! Operands of products.

use cubecl::prelude::*;
use dacapo_kernels::f32_product::Operand;

use crate::common::TestRuntime;

/// Numbers before an operand: as many as any device wants between the begins of two buffers.
const BEFORE: usize = 64;

pub fn numbers(len: usize, seed: u32) -> Vec<f32> {
    (0..len as u32)
        .map(|i| {
            let mixed = (i + 7919 * seed).wrapping_mul(2_654_435_769) >> 8;
            mixed as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

pub fn transposed(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    let at = |i: usize, j: usize| matrix[j * columns + i];
    (0..columns)
        .flat_map(|i| (0..rows).map(move |j| at(i, j)))
        .collect()
}

/// `matrices` of `[outer, k]`, or of `[k, outer]` if not `k_last`, in rows that are `padding`
/// longer, after other numbers; each number as the bytes that `bytes` makes of it.
pub fn operand<const N: usize>(
    client: &ComputeClient<TestRuntime>,
    matrices: &[Vec<f32>],
    columns: usize,
    k_last: bool,
    padding: usize,
    bytes: impl Fn(f32) -> [u8; N],
) -> Operand {
    let mut all = vec![f32::NAN; BEFORE];
    for matrix in matrices {
        for row in matrix.chunks(columns) {
            all.extend(row);
            all.extend(vec![f32::NAN; padding]);
        }
    }
    let rows = matrices[0].len() / columns;
    let all: Vec<u8> = all.into_iter().flat_map(bytes).collect();
    Operand {
        handle: client
            .create_from_slice(&all)
            .offset_start((N * BEFORE) as u64),
        k_last,
        stride: columns + padding,
        batch_stride: if matrices.len() == 1 {
            0
        } else {
            rows * (columns + padding)
        },
    }
}
