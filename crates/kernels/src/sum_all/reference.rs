//! The same in plain host code, to the bit.

use super::{CHUNK, LANES, Terms};
use crate::grid::UNITS;

/// The sum of all elements, or of their squares, in the order of the kernel. The first buffer is read
/// four elements at a time if its length allows it.
pub fn sum_all(x: &[f32], terms: Terms) -> f32 {
    if x.is_empty() {
        return 0.0;
    }
    let vector = if x.len().is_multiple_of(4) { 4 } else { 1 };
    let totals: Vec<f32> = x
        .chunks(CHUNK)
        .map(|chunk| of_chunk(chunk, vector, terms))
        .collect();
    match totals[..] {
        [total] => total,
        _ => sum_all(&totals, Terms::Elements),
    }
}

fn of_chunk(chunk: &[f32], vector: usize, terms: Terms) -> f32 {
    let units = UNITS as usize;
    let mut of_units = vec![0.0_f32; units];
    for (unit, total) in of_units.iter_mut().enumerate() {
        // A lane's sums, element by element of a vector.
        let mut lanes = [[0.0_f32; 4]; LANES];
        for (step, values) in chunk.chunks(vector).skip(unit).step_by(units).enumerate() {
            let sums = &mut lanes[step % LANES];
            for (sum, x) in sums.iter_mut().zip(values) {
                *sum = match terms {
                    Terms::Elements => *sum + x,
                    Terms::Squares => x.mul_add(*x, *sum),
                };
            }
        }
        let [first, second, third, fourth] = lanes;
        let pairs = (first.into_iter().zip(second)).zip(third.into_iter().zip(fourth));
        for ((a, b), (c, d)) in pairs.take(vector) {
            *total += (a + b) + (c + d);
        }
    }
    let mut half = units / 2;
    while half > 0 {
        for unit in 0..half {
            of_units[unit] += of_units[unit + half];
        }
        half /= 2;
    }
    of_units[0]
}
