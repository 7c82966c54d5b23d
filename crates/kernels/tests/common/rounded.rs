//! What tensor cores multiply: numbers rounded by the hardware, or stored so.

use dacapo_kernels::f32_product::Operand;
use dacapo_kernels::tensor_core_product::{Numbers, Stored};
use half::bf16;

use crate::common::client;
use crate::matrices;

/// As the hardware multiplies it.
fn rounded(numbers: Numbers, x: f32) -> f32 {
    match numbers {
        // To the nearest, ties away from zero.
        Numbers::Tf32 => f32::from_bits((x.to_bits() + 0x1000) & !0x1fff),
        Numbers::Bf16 => bf16::from_f32(x).to_f32(),
    }
}

/// The products of what the hardware multiplies, in f64, of `[m, k]` and `[k, n]`.
pub fn products(of: Numbers, [left, right]: [&[Vec<f32>]; 2], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut wanted = Vec::new();
    for (left, right) in left.iter().zip(right) {
        let [left, right] = [left, right].map(|x| -> Vec<f64> {
            let numbers = x.iter().map(|x| f64::from(rounded(of, *x)));
            numbers.collect()
        });
        for i in 0..m {
            for j in 0..n {
                let terms = (0..k).map(|at| left[i * k + at] * right[at * n + j]);
                wanted.push(terms.sum::<f64>());
            }
        }
    }
    wanted
}

/// `matrices` as an operand that is stored so.
pub fn operand(
    matrices: &[Vec<f32>],
    columns: usize,
    k_last: bool,
    padding: usize,
    stored: Stored,
) -> Operand {
    let client = client();
    match stored {
        Stored::F32 => {
            let bytes = f32::to_le_bytes;
            matrices::operand(&client, matrices, columns, k_last, padding, bytes)
        }
        Stored::Bf16 => {
            let bytes = |x| bf16::from_f32(x).to_le_bytes();
            matrices::operand(&client, matrices, columns, k_last, padding, bytes)
        }
    }
}
