//! Colours and dashes of lines.

use plotters::style::RGBColor;

/// Okabe and Ito's colours, without black and yellow, which vanish on dark and on white.
const COLOURS: [(u8, u8, u8); 6] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
];

/// Lengths of strokes and gaps. As many as have no common factor with the colours.
const DASHES: [&[u32]; 5] = [&[], &[8, 4], &[2, 3], &[9, 3, 2, 3], &[15, 4]];

/// How many lines look different from each other.
pub(crate) const LOOKS: usize = COLOURS.len() * DASHES.len();

pub(crate) fn colour(series: usize) -> RGBColor {
    let (red, green, blue) = COLOURS[series % COLOURS.len()];
    RGBColor(red, green, blue)
}

/// The colour as CSS writes it.
pub(crate) fn hex(series: usize) -> String {
    let RGBColor(red, green, blue) = colour(series);
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Lengths of strokes and gaps; empty for a solid line.
pub(crate) fn dashes(series: usize) -> &'static [u32] {
    DASHES[series % DASHES.len()]
}

/// The attribute of an SVG line for these dashes, `scale` times as long; empty for a solid line.
pub(crate) fn dash_attribute(series: usize, scale: u32) -> String {
    let lengths: Vec<String> = dashes(series)
        .iter()
        .map(|length| (length * scale).to_string())
        .collect();
    match lengths.is_empty() {
        true => String::new(),
        false => format!(" stroke-dasharray=\"{}\"", lengths.join(" ")),
    }
}
