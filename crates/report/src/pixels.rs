use plotters::prelude::*;

use crate::{
    ReportError,
    draw::{INK, Medium, SIZE, TEXT, draw, font},
    escape::plain,
    figure::{Figure, Line},
    palette,
};

struct Pixels;

impl Medium for Pixels {
    const SCALE: u32 = 3;
    const TEXT_DROP: f64 = 0.2;

    fn colour(&self, series: usize) -> RGBColor {
        palette::colour(series)
    }

    fn strokes(&self, series: usize, line: Vec<(i32, i32)>) -> Vec<Vec<(i32, i32)>> {
        let lengths: Vec<f64> = palette::dashes(series)
            .iter()
            .map(|length| f64::from(length * Self::SCALE))
            .collect();
        match lengths.is_empty() {
            true => vec![line],
            false => strokes(&line, &lengths),
        }
    }
}

/// The strokes of a line whose lengths of strokes and gaps, in turn, are `lengths`.
fn strokes(line: &[(i32, i32)], lengths: &[f64]) -> Vec<Vec<(i32, i32)>> {
    let mut out = Vec::new();
    let mut current = vec![line[0]];
    let (mut index, mut left) = (0, lengths[0]);
    for pair in line.windows(2) {
        let from = (f64::from(pair[0].0), f64::from(pair[0].1));
        let to = (f64::from(pair[1].0), f64::from(pair[1].1));
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let share = done / length;
            let x = from.0 + (to.0 - from.0) * share;
            let y = from.1 + (to.1 - from.1) * share;
            let point = (x.round() as i32, y.round() as i32);
            if index % 2 == 0 {
                current.push(point);
                out.push(std::mem::take(&mut current));
            } else {
                current = vec![point];
            }
            index = (index + 1) % lengths.len();
            left = lengths[index];
        }
        left -= length - done;
        if index % 2 == 0 {
            current.push(pair[1]);
        }
    }
    if current.len() > 1 {
        out.push(current);
    }
    out
}

/// A place in the legend: left edge, middle, line, text.
struct Entry {
    x: i32,
    y: i32,
    series: usize,
    text: String,
}

/// Lengths in the legend, before scaling.
const KEY: u32 = 40;
const GAP: u32 = 8;
const ROW: u32 = TEXT + 6;

/// The legend's entries, as many in a row as fit, and its height.
fn legend(figure: &Figure, width: u32) -> Result<(Vec<Entry>, u32), ReportError> {
    let scale = Pixels::SCALE;
    let (mut x, mut row) = (0, 0);
    let mut entries = Vec::new();
    for line in &figure.lines {
        let around = (KEY + 3 * GAP) * scale;
        let (text, text_width) = fitting(figure, line, width.saturating_sub(around))?;
        let entry = around + text_width;
        if x > 0 && x + entry > width {
            x = 0;
            row += 1;
        }
        entries.push(Entry {
            x: (x + GAP * scale) as i32,
            y: ((row * ROW + ROW / 2) * scale) as i32,
            series: line.series,
            text,
        });
        x += entry;
    }
    Ok((entries, ((row + 1) * ROW + GAP) * scale))
}

/// The legend's text for a line and its width. The beginning of a name that is too long gives
/// way: names of a sweep differ at their end.
fn fitting(figure: &Figure, line: &Line, width: u32) -> Result<(String, u32), ReportError> {
    let mut label: Vec<char> = plain(&line.label).chars().collect();
    let note = plain(&line.note());
    let mut cut = "";
    loop {
        let text: String = cut.chars().chain(label.iter().copied()).collect();
        let text = format!("{text}{note}");
        let size = font(Pixels::SCALE).box_size(&text);
        let (needed, _) = size.map_err(|error| ReportError::output(&figure.id, error))?;
        if needed <= width || label.is_empty() {
            return Ok((text, needed));
        }
        cut = "…";
        label.remove(0);
    }
}

/// A figure with its legend as a PNG file, for print at 300 pixels an inch.
pub(crate) fn png(figure: &Figure) -> Result<Vec<u8>, ReportError> {
    let scale = Pixels::SCALE;
    let (width, plot) = (SIZE.0 * scale, SIZE.1 * scale);
    let (entries, below) = legend(figure, width)?;
    let height = plot + below;
    let mut buffer = vec![255; (width * height) as usize * 3];
    let failed =
        |error: &dyn std::fmt::Debug| ReportError::output(&figure.id, format!("{error:?}"));
    {
        let area = BitMapBackend::with_buffer(&mut buffer, (width, height)).into_drawing_area();
        let (upper, lower) = area.split_vertically(plot);
        draw(&upper, figure, &Pixels)?;
        for entry in entries {
            let colour = Pixels.colour(entry.series);
            let end = entry.x + (KEY * scale) as i32;
            let key = vec![(entry.x, entry.y), (end, entry.y)];
            for stroke in Pixels.strokes(entry.series, key) {
                let path = PathElement::new(stroke, colour.stroke_width(2 * scale));
                lower.draw(&path).map_err(|error| failed(&error))?;
            }
            let corner = (
                end + (GAP * scale) as i32,
                entry.y - (TEXT * scale) as i32 * 3 / 10,
            );
            let text = Text::new(entry.text, corner, font(scale).color(&INK));
            lower.draw(&text).map_err(|error| failed(&error))?;
        }
        area.present().map_err(|error| failed(&error))?;
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    const PER_METRE: u32 = 11_811;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: PER_METRE,
        yppu: PER_METRE,
        unit: png::Unit::Meter,
    }));
    let write = |encoder: png::Encoder<'_, &mut Vec<u8>>| {
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&buffer)?;
        writer.finish()
    };
    write(encoder).map_err(|error| failed(&error))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legend_is_cut_off_at_the_edge() {
        let line = Line {
            series: 0,
            label: format!("{}end", "a long name/".repeat(20)),
            run_id: String::new(),
            note: "0 throughout".to_owned(),
            points: Vec::new(),
            ringed: false,
        };
        let figure = Figure {
            id: "x".to_owned(),
            title: String::new(),
            caption: String::new(),
            y_label: String::new(),
            column: "x",
            axis: crate::figure::Axis::Log,
            lines: vec![line],
            bands: Vec::new(),
            marks: Vec::new(),
        };
        let width = SIZE.0 * Pixels::SCALE;
        let (entries, _) = legend(&figure, width).expect("measured");
        let text = &entries[0].text;
        assert!(
            text.starts_with('…') && text.ends_with("/end (0 throughout)"),
            "{text}"
        );
        let (needed, _) = font(Pixels::SCALE).box_size(text).expect("measured");
        assert!(needed + (KEY + 3 * GAP) * Pixels::SCALE <= width);
    }

    #[test]
    fn strokes_are_joined_or_lost_at_a_corner() {
        let line = [(0, 0), (10, 0), (10, 10)];
        let found = strokes(&line, &[4.0, 2.0]);
        let expected: Vec<Vec<(i32, i32)>> = vec![
            vec![(0, 0), (4, 0)],
            vec![(6, 0), (10, 0)],
            vec![(10, 2), (10, 6)],
            vec![(10, 8), (10, 10)],
        ];
        let length = |strokes: &[Vec<(i32, i32)>]| {
            let pairs = strokes.iter().flat_map(|stroke| stroke.windows(2));
            let lengths = pairs.map(|pair| (pair[1].0 - pair[0].0) + (pair[1].1 - pair[0].1));
            lengths.sum::<i32>()
        };
        assert_eq!(length(&found), length(&expected), "{found:?}");
        assert_eq!(found[0], expected[0]);
        assert_eq!(found.last(), expected.last());
    }
}
