//! The same in Burn's own operations.

use burn::tensor::{Int, Tensor, TensorData, backend::Backend};

pub(super) fn gather_rows<B: Backend, const D: usize>(
    pieces: &[Tensor<B, D>],
    rows: &[(usize, usize)],
) -> Tensor<B, D> {
    // Piece by piece, then into their order.
    let (mut found, mut place, mut taken) = (Vec::new(), vec![0; rows.len()], 0);
    for (at, piece) in pieces.iter().enumerate() {
        let mut here = Vec::new();
        for (place, (piece, row)) in place.iter_mut().zip(rows) {
            if *piece == at {
                *place = taken + here.len();
                here.push(*row);
            }
        }
        if !here.is_empty() {
            taken += here.len();
            found.push(select(piece, &here));
        }
    }
    match found.as_slice() {
        [] => select(&pieces[0], &[]),
        // In their order already.
        [_] => found.remove(0),
        _ => select(&Tensor::cat(found, 0), &place),
    }
}

fn select<B: Backend, const D: usize>(rows: &Tensor<B, D>, indices: &[usize]) -> Tensor<B, D> {
    let indices: Vec<i64> = indices.iter().map(|index| *index as i64).collect();
    let count = indices.len();
    let indices: Tensor<B, 1, Int> =
        Tensor::from_data(TensorData::new(indices, [count]), &rows.device());
    rows.clone().select(0, indices)
}
