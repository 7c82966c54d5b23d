//! Rows of several tensors in one.

#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "cube")]
mod gather_kernels;
mod plain;

use burn::tensor::{Tensor, backend::Backend};

#[cfg(feature = "cube")]
pub(crate) use gather_kernels::GatherKernels;

#[cfg(feature = "cube")]
use crate::dispatch::with_kernels;

/// `[rows, ..]` of `pieces`, `[n, ..]` each with an n of its own: each of `rows` is a piece and a row
/// of it, and may come several times. A copy, so every bit stays what it was.
///
/// On a CubeCL backend without `Autodiff` one launch for each piece that rows are taken from, where
/// pieces lie together in memory and a row is a multiple of 4 bytes; otherwise Burn's own `select`
/// and `cat`.
///
/// # Panics
/// If there are no pieces; if they differ in more than n, in their float type or their device; if
/// one of `rows` is not there.
pub fn gather_rows<B: Backend, const D: usize>(
    pieces: &[Tensor<B, D>],
    rows: &[(usize, usize)],
) -> Tensor<B, D> {
    check(pieces, rows);
    #[cfg(feature = "cube")]
    if let Some(gathered) = with_kernels!(
        inner B,
        K => gathered_by::<B, K, D>(pieces, rows),
        otherwise None
    ) {
        return gathered;
    }
    plain::gather_rows(pieces, rows)
}

#[cfg(feature = "cube")]
fn gathered_by<B: Backend, K: GatherKernels, const D: usize>(
    pieces: &[Tensor<B, D>],
    rows: &[(usize, usize)],
) -> Option<Tensor<B, D>> {
    use burn::tensor::TensorPrimitive;

    use crate::dispatch::same;

    let pieces = pieces.iter().cloned();
    let pieces = pieces.map(|piece| same(piece.into_primitive().tensor()));
    let gathered = K::gather_rows(pieces.collect(), rows)?;
    Some(Tensor::from_primitive(TensorPrimitive::Float(same(
        gathered,
    ))))
}

fn check<B: Backend, const D: usize>(pieces: &[Tensor<B, D>], rows: &[(usize, usize)]) {
    let first = pieces.first().expect("gather_rows: no pieces");
    for piece in pieces {
        let (expected, found) = (first.dims(), piece.dims());
        assert_eq!(found[1..], expected[1..], "gather_rows: rows of pieces");
        assert_eq!(piece.dtype(), first.dtype(), "gather_rows: float types");
        assert_eq!(piece.device(), first.device(), "gather_rows: devices");
    }
    for &(piece, row) in rows {
        let found = pieces.get(piece).map(|piece| piece.dims()[0]);
        assert!(
            found.is_some_and(|found| row < found),
            "gather_rows: expected one of {} pieces and a row of it, found row {row} of piece \
             {piece}, which has {}",
            pieces.len(),
            found.unwrap_or(0)
        );
    }
}
