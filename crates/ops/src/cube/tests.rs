//! Every kernel that the plan names by itself, for shapes that it would choose another for too.

use std::collections::BTreeSet;

use burn::tensor::{DType, Tensor, TensorData, TensorPrimitive};
use burn_cubecl::tensor::CubeTensor;

use super::launch::launch;
use crate::{Kernel, KernelPlan};

#[cfg(feature = "cuda")]
type Plain = burn_cuda::Cuda;
#[cfg(feature = "cuda")]
type Runtime = cubecl::cuda::CudaRuntime;
#[cfg(not(feature = "cuda"))]
type Plain = burn_wgpu::Wgpu;
#[cfg(not(feature = "cuda"))]
type Runtime = cubecl::wgpu::WgpuRuntime;

fn value(i: usize, seed: usize) -> f32 {
    let mixed = ((i + seed) as u32).wrapping_mul(2_654_435_769) >> 20;
    mixed as f32 / 2048.0 - 1.0
}

/// `[batch, rows, columns]` with columns together in memory if `transposed`.
fn tensor(
    [batch, rows, columns]: [usize; 3],
    seed: usize,
    transposed: bool,
) -> CubeTensor<Runtime> {
    let at = |b: usize, i: usize, j: usize| value((b * rows + i) * columns + j, seed);
    let (outer, inner) = if transposed {
        (columns, rows)
    } else {
        (rows, columns)
    };
    let mut values = Vec::new();
    for b in 0..batch {
        for x in 0..outer {
            values.extend((0..inner).map(|y| if transposed { at(b, y, x) } else { at(b, x, y) }));
        }
    }
    let data = TensorData::new(values, [batch, outer, inner]);
    let tensor = Tensor::<Plain, 3>::from_data(data, &Default::default());
    let tensor = if transposed {
        tensor.swap_dims(1, 2)
    } else {
        tensor
    };
    tensor.into_primitive().tensor()
}

/// Batch, m, k, n: each takes a GPU minutes to compile all kernels for.
const SHAPES: &[[usize; 4]] = &[
    [1, 1, 64, 64],
    [1, 64, 64, 64],
    [1, 67, 131, 45],
    [3, 17, 16, 17],
];

#[test]
fn kernel_is_wrong_for_some_layout() {
    let mut wrong = Vec::new();
    let rows = KernelPlan::current().rows();
    let named: BTreeSet<Kernel> = rows.iter().flat_map(|row| row.kernels).copied().collect();
    for kernel in named {
        for &[batch, m, k, n] in SHAPES {
            for (left, right) in [(false, false), (false, true), (true, false), (true, true)] {
                let lhs = tensor([batch, m, k], 1, left);
                let rhs = tensor([batch, k, n], 7_777, right);
                let name = format!("{} {batch}x{m}x{k}x{n} {left} {right}", kernel.name());
                let aligned = super::operand::is_aligned(&lhs) && super::operand::is_aligned(&rhs);
                if kernel.uses_tma() && !aligned {
                    continue;
                }
                let Ok(product) = launch(kernel, &lhs, &rhs, DType::F32) else {
                    continue;
                };
                let product = Tensor::<Plain, 3>::from_primitive(TensorPrimitive::Float(product));
                let found: Vec<f32> = product.into_data().to_vec().expect("f32");
                let mut worst = 0_f64;
                for (at, found) in found.into_iter().enumerate() {
                    let (b, i, j) = (at / (m * n), at / n % m, at % n);
                    let sum: f64 = (0..k)
                        .map(|c| {
                            let left = value((b * m + i) * k + c, 1);
                            let right = value((b * k + c) * n + j, 7_777);
                            f64::from(left) * f64::from(right)
                        })
                        .sum();
                    let error = (sum - f64::from(found)).abs();
                    worst = if error.is_nan() {
                        f64::INFINITY
                    } else {
                        worst.max(error)
                    };
                }
                let bound = (k as f64).sqrt()
                    * if kernel.uses_tensor_cores() {
                        2e-3
                    } else {
                        2e-6
                    };
                if worst > bound {
                    wrong.push(format!("{name}: off by {worst:.1e}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
