//! Pillow's resampling of images of 8 bits, with the filter that it calls bilinear: a
//! triangle that widens with the scale, so that shrinking does not alias.

/// Bits behind the point of a weight.
const PRECISION: u32 = 32 - 8 - 2;

/// Where the pixels lie that one output pixel is made of, and their weights.
struct Window {
    start: usize,
    weights: Vec<i32>,
}

/// `pixels`, which is `[height, width, 3]`, as `[side, side, 3]`. No length may be 0.
pub(crate) fn resize(pixels: Vec<u8>, width: usize, height: usize, side: usize) -> Vec<u8> {
    // First along rows, then along columns, each rounded to 8 bits; none that would
    // change nothing.
    let narrow = match width == side {
        true => pixels,
        false => rows(&pixels, width, &windows(width, side)),
    };
    match height == side {
        true => narrow,
        false => columns(&narrow, side, &windows(height, side)),
    }
}

fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let window = |index| {
        let centre = (index as f64 + 0.5) * scale;
        // Conversion cuts off what is behind the point, and what is below zero.
        let start = (centre - support + 0.5) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let triangle = |at: usize| {
            let distance = (at as f64 - centre + 0.5) * (1.0 / support);
            (1.0 - distance.abs()).max(0.0)
        };
        let weights: Vec<f64> = (start..end).map(triangle).collect();
        let sum = weights.iter().fold(0.0, |sum, weight| sum + weight);
        let fixed = |weight| (0.5 + weight / sum * f64::from(1 << PRECISION)) as i32;
        Window {
            start,
            weights: weights.into_iter().map(fixed).collect(),
        }
    };
    (0..to).map(window).collect()
}

fn rows(pixels: &[u8], width: usize, windows: &[Window]) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / width * windows.len());
    for row in pixels.chunks_exact(3 * width) {
        for window in windows {
            let mut sums = [1 << (PRECISION - 1); 3];
            let pixels = row[3 * window.start..].chunks_exact(3);
            for (pixel, weight) in pixels.zip(&window.weights) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(*value) * weight;
                }
            }
            out.extend(sums.map(round));
        }
    }
    out
}

fn columns(pixels: &[u8], width: usize, windows: &[Window]) -> Vec<u8> {
    let mut out = Vec::with_capacity(3 * width * windows.len());
    let mut sums = vec![0; 3 * width];
    for window in windows {
        sums.fill(1 << (PRECISION - 1));
        let rows = pixels.chunks_exact(3 * width).skip(window.start);
        for (row, weight) in rows.zip(&window.weights) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += i32::from(*value) * weight;
            }
        }
        out.extend(sums.iter().map(|sum| round(*sum)));
    }
    out
}

fn round(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}
