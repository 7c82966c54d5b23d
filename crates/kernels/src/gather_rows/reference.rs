//! The same in plain host code.

/// Rows of `width` elements; each of `rows` is a piece and a row of it.
pub fn gather_rows<T: Copy>(pieces: &[&[T]], width: usize, rows: &[(usize, usize)]) -> Vec<T> {
    rows.iter()
        .flat_map(|&(piece, row)| &pieces[piece][row * width..][..width])
        .copied()
        .collect()
}
