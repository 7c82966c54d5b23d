//! The same in plain host code.

/// The sum of rows of `width`, first to last.
pub fn sum_parts(parts: &[f32], width: usize) -> Vec<f32> {
    let mut total = vec![0.0; width];
    for part in parts.chunks(width) {
        for (total, part) in total.iter_mut().zip(part) {
            *total += part;
        }
    }
    total
}
