//! Factors of a weight, on the host in f64 and by one thread, so that they do not depend on the
//! backend.

use nalgebra::{DMatrix, SVD};

/// A `[rank, in]` and B `[out, rank]` of the `rank` largest singular values of a weight `[in, out]`,
/// with s·B·A = V·S·Uᵀ; row-major.
///
/// Each vector's sign is such that the largest element of its row of A is positive: the
/// decomposition leaves it open.
pub(crate) fn principal(
    weight: &[f64],
    d_in: usize,
    d_out: usize,
    rank: usize,
    scaling: f64,
) -> (Vec<f64>, Vec<f64>) {
    // Rows of `weight` are inputs: Wᵀ = U·S·Vᵀ.
    let matrix = DMatrix::from_row_slice(d_in, d_out, weight);
    let svd = SVD::new(matrix, true, true);
    let inputs = svd.u.expect("asked for");
    let outputs = svd.v_t.expect("asked for");
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|a, b| svd.singular_values[*b].total_cmp(&svd.singular_values[*a]));

    let (mut a, mut b) = (vec![0.0; rank * d_in], vec![0.0; d_out * rank]);
    for (row, value) in order.into_iter().take(rank).enumerate() {
        let vector = inputs.column(value);
        let largest =
            vector.iter().copied().fold(
                0.0,
                |largest: f64, x| {
                    if x.abs() > largest.abs() { x } else { largest }
                },
            );
        let root = (svd.singular_values[value] / scaling).sqrt();
        let root_and_sign = if largest < 0.0 { -root } else { root };
        for (at, x) in vector.iter().enumerate() {
            a[row * d_in + at] = root_and_sign * x;
        }
        for (at, x) in outputs.row(value).iter().enumerate() {
            b[at * rank + row] = root_and_sign * x;
        }
    }
    (a, b)
}

/// A `[rank, in]`, the first rows of R, and B `[out, rank]`, the first columns of Q, of the QR
/// decomposition of the weight as `[out, in]`; row-major.
pub(crate) fn triangular(
    weight: &[f64],
    d_in: usize,
    d_out: usize,
    rank: usize,
) -> (Vec<f64>, Vec<f64>) {
    let matrix = DMatrix::from_row_slice(d_in, d_out, weight).transpose();
    let qr = matrix.qr();
    let (q, r) = (qr.q(), qr.r());
    let row_major = |matrix: &DMatrix<f64>, rows: usize, columns: usize| -> Vec<f64> {
        (0..rows * columns)
            .map(|at| matrix[(at / columns, at % columns)])
            .collect()
    };
    (row_major(&r, rank, d_in), row_major(&q, d_out, rank))
}
