use cubecl::prelude::*;
use cubecl::server::Handle;

use super::Piece;
use super::kernel::copy;
use crate::grid::{self, UNITS};
use crate::{KernelError, RowShape};

/// Bytes that are copied at a time where rows do not allow more.
const WORD: u64 = 4;

/// A new buffer of rows of `row_bytes` bytes, one for each of `rows`: a piece, and a row of it. A row
/// may be taken several times. One launch for each piece that rows are taken from.
///
/// # Errors
/// [`KernelError::PartialWord`] if `row_bytes` is no multiple of 4; [`KernelError::OutOfRange`] for a
/// piece or a row that is not there; [`KernelError::TooLong`] if a piece or the result has more
/// than [`RowShape::MAX_LEN`] times 4 bytes; [`KernelError::TooShort`] and
/// [`KernelError::Misaligned`] for a piece that does not hold its rows, or starts at no multiple of
/// 4 bytes.
pub fn gather_rows<R: Runtime>(
    client: &ComputeClient<R>,
    row_bytes: u64,
    pieces: &[Piece<'_>],
    rows: &[(usize, usize)],
) -> Result<Handle, KernelError> {
    let kernel = "gather_rows";
    if !row_bytes.is_multiple_of(WORD) {
        return Err(KernelError::PartialWord {
            kernel,
            what: "row_bytes",
            word: WORD,
            found: row_bytes,
        });
    }
    // Matrices of words.
    let shape = |rows: usize| RowShape {
        rows: rows as u64,
        width: row_bytes / WORD,
    };
    for piece in pieces {
        shape(piece.rows).check_len(kernel)?;
        shape(piece.rows).check(kernel, "piece", piece.handle)?;
    }
    let result = shape(rows.len());
    result.check_len(kernel)?;
    let places = places(kernel, pieces, rows)?;

    let gathered = client.empty((WORD * result.len()) as usize);
    if result.is_empty() {
        return Ok(gathered);
    }
    // All launches read one buffer, each from its own place on.
    let pairs = client.create_from_slice(bytemuck::cast_slice(&places.concat()));
    let mut first = 0;
    for (piece, places) in pieces.iter().zip(&places) {
        if places.is_empty() {
            continue;
        }
        let vector = result.vector(&[piece.handle]);
        let units = shape(places.len()).len() / vector as u64;
        // SAFETY: the piece and the result hold their words, as checked or made above. Each unit
        // reads a row of the piece and writes one of the result, which were compared with their
        // numbers; every row of the result has one pair, and `pairs` holds them all.
        #[allow(unsafe_code)]
        unsafe {
            copy::launch_unchecked::<R>(
                client,
                grid::cubes(units.div_ceil(UNITS.into()) as u32),
                CubeDim::new_1d(UNITS),
                vector,
                ArrayArg::from_raw_parts(piece.handle.clone(), shape(piece.rows).len() as usize),
                ArrayArg::from_raw_parts(pairs.clone(), 2 * rows.len()),
                ArrayArg::from_raw_parts(gathered.clone(), result.len() as usize),
                first,
                places.len() as u32,
                (result.width / vector as u64) as u32,
            );
        }
        first += places.len() as u32;
    }
    Ok(gathered)
}

/// For each piece, the rows that are taken from it, and their places in the result.
fn places(
    kernel: &'static str,
    pieces: &[Piece<'_>],
    rows: &[(usize, usize)],
) -> Result<Vec<Vec<[u32; 2]>>, KernelError> {
    let check = |what, found, limit| match found < limit {
        true => Ok(()),
        false => Err(KernelError::OutOfRange {
            kernel,
            what,
            limit: limit as u64,
            found: found as u64,
        }),
    };
    let mut places = vec![Vec::new(); pieces.len()];
    for (to, &(piece, from)) in rows.iter().enumerate() {
        check("piece", piece, pieces.len())?;
        check("row", from, pieces[piece].rows)?;
        places[piece].push([from as u32, to as u32]);
    }
    Ok(places)
}
