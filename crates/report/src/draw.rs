//! A figure with plotters, on whatever it can draw on.

use std::sync::Once;

use plotters::{
    coord::Shift,
    prelude::*,
    style::{
        register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

use crate::{
    ReportError,
    escape::plain,
    figure::{Axis, Figure},
    scale::Scale,
    ticks,
};

/// Width and height of a plot without its legend, before scaling.
pub(crate) const SIZE: (u32, u32) = (560, 380);
pub(crate) const INK: RGBColor = RGBColor(26, 26, 26);
pub(crate) const GRID: RGBColor = RGBColor(208, 208, 208);
/// The height of text, before scaling.
pub(crate) const TEXT: u32 = 20;

/// What a figure is drawn on, as far as it matters to what is drawn.
pub(crate) trait Medium {
    /// Pixels for each unit of [`SIZE`].
    const SCALE: u32;
    /// How far below its place text must be asked for, in parts of its height: plotters' own
    /// text in pixels is drawn too high.
    const TEXT_DROP: f64;
    /// The colour of a series.
    fn colour(&self, series: usize) -> RGBColor;
    /// What a line is drawn as: the whole, or its strokes.
    fn strokes(&self, series: usize, line: Vec<(i32, i32)>) -> Vec<Vec<(i32, i32)>>;
}

/// Makes the font that plots are measured and drawn with known to plotters.
fn prepare_font() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let font = include_bytes!("../assets/plot-font.ttf");
        // A font that cannot be read is told by whatever draws text with it.
        let _ = register_font("sans-serif", FontStyle::Normal, font);
    });
}

/// The font of plots, for this scale.
pub(crate) fn font(scale: u32) -> FontDesc<'static> {
    prepare_font();
    ("sans-serif", TEXT * scale).into_font()
}

type Result<T> = std::result::Result<T, ReportError>;

/// The axes of a figure: epochs, and values or their logarithms to base 10.
fn axes(figure: &Figure) -> (Scale, Scale) {
    let mut x = (f64::INFINITY, f64::NEG_INFINITY);
    let mut y = x;
    for (epoch, value) in figure.drawn() {
        x = (x.0.min(epoch), x.1.max(epoch));
        y = (y.0.min(value), y.1.max(value));
    }
    for band in &figure.bands {
        x = (x.0.min(band.from), x.1.max(band.to));
    }
    for (value, _) in &figure.marks {
        y = (y.0.min(*value), y.1.max(*value));
    }
    if x.0 > x.1 {
        // Nothing has a place: the axes stand for themselves.
        let epochs = figure.lines.iter().flat_map(|line| &line.points);
        let last = epochs.map(|(epoch, _)| *epoch).max().unwrap_or(1);
        let range = Scale {
            from: 0.0,
            to: 1.0,
            ticks: Vec::new(),
        };
        return (scale_of_epochs((0.0, last as f64)), range);
    }
    let scale = |(from, to), ticks| Scale { from, to, ticks };
    let epochs = scale_of_epochs(x);
    if figure.axis == Axis::Log {
        let (low, high) = ticks::decades(y.0, y.1);
        return (epochs, scale((low, high), ticks::log(low, high)));
    }
    if figure.axis == Axis::Count {
        y = (0.0, y.1.max(1.0));
    }
    let room = match y.1 - y.0 {
        0.0 => (y.0.abs() * 0.1).max(1e-9),
        range => range * 0.06,
    };
    if figure.axis == Axis::Count {
        let range = (0.0, y.1 + room);
        return (epochs, scale(range, ticks::epochs(range.0, range.1, 6)));
    }
    let range = (y.0 - room, y.1 + room);
    (epochs, scale(range, ticks::linear(range.0, range.1, 6)))
}

fn scale_of_epochs((mut from, mut to): (f64, f64)) -> Scale {
    if from >= to {
        (from, to) = (from - 1.0, from + 1.0);
    }
    let ticks = ticks::epochs(from, to, 8);
    Scale { from, to, ticks }
}

/// Draws axes and curves onto `area`, whose upper left corner is the picture's.
pub(crate) fn draw<DB: DrawingBackend, M: Medium>(
    area: &DrawingArea<DB, Shift>,
    figure: &Figure,
    medium: &M,
) -> Result<()> {
    let failed = |error: DrawingAreaErrorKind<DB::ErrorType>| {
        ReportError::output(&figure.id, format!("{error:?}"))
    };
    let scale = M::SCALE;
    let font = font(scale);
    let drop = (f64::from(TEXT * scale) * M::TEXT_DROP) as i32;
    let tick = 5 * scale as i32;
    let (epochs, values) = axes(figure);
    let mut chart = ChartBuilder::on(area)
        .margin_top(10 * scale)
        .margin_right(16 * scale)
        .margin_bottom(4 * scale)
        .margin_left(8 * scale)
        .x_label_area_size(54 * scale)
        .y_label_area_size(86 * scale)
        .build_cartesian_2d(epochs.clone(), values.clone())
        .map_err(failed)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.stroke_width(scale))
        .axis_style(INK.stroke_width(scale))
        .label_style(font.clone().color(&INK))
        .axis_desc_style(font.clone().color(&INK))
        .x_desc("epoch")
        .y_desc(plain(&figure.y_label))
        .set_tick_mark_size(LabelAreaPosition::Left, tick)
        .set_tick_mark_size(LabelAreaPosition::Bottom, tick + drop)
        .y_label_offset(drop)
        .x_labels(epochs.ticks.len())
        .y_labels(values.ticks.len())
        .draw()
        .map_err(failed)?;

    let place = |epoch: f64, value: f64| {
        let value = match figure.axis {
            Axis::Log => value.log10(),
            _ => value,
        };
        chart.backend_coord(&(epoch, value))
    };
    let (bottom, top) = (values.from, values.to);
    for band in &figure.bands {
        let colour = medium.colour(band.series).mix(0.16).filled();
        let corners = [(band.from, top), (band.to, bottom)];
        let corners = corners.map(|corner| chart.backend_coord(&corner));
        area.draw(&Rectangle::new(corners, colour))
            .map_err(failed)?;
    }
    for (value, text) in &figure.marks {
        let ends = [place(epochs.from, *value), place(epochs.to, *value)];
        let style = INK.stroke_width(scale);
        area.draw(&PathElement::new(ends, style)).map_err(failed)?;
        let (x, y) = (
            ends[0].0 + 6 * scale as i32,
            ends[0].1 + 3 * scale as i32 + drop,
        );
        let text = Text::new(plain(text), (x, y), font.clone().color(&INK));
        area.draw(&text).map_err(failed)?;
    }
    if figure.drawn().next().is_none() {
        let centre = chart.backend_coord(&((epochs.from + epochs.to) / 2.0, (bottom + top) / 2.0));
        let style = font.clone().color(&INK);
        let style = style.pos(Pos::new(HPos::Center, VPos::Center));
        let text = Text::new("no value has a place on this axis", centre, style);
        area.draw(&text).map_err(failed)?;
    }
    for line in &figure.lines {
        let colour = medium.colour(line.series);
        let mut end = None;
        for piece in line.points.split(|(_, value)| !figure.draws(*value)) {
            let piece: Vec<(i32, i32)> = piece
                .iter()
                .map(|(epoch, value)| place(*epoch as f64, *value))
                .collect();
            end = piece.last().copied().or(end);
            if let [alone] = piece[..] {
                let dot = Circle::new(alone, 3 * scale, colour.filled());
                area.draw(&dot).map_err(failed)?;
            } else if !piece.is_empty() {
                for stroke in medium.strokes(line.series, piece) {
                    let style = colour.stroke_width(2 * scale);
                    let path = PathElement::new(stroke, style);
                    area.draw(&path).map_err(failed)?;
                }
            }
        }
        if let Some(end) = end.filter(|_| line.ringed) {
            let ring = Circle::new(end, 6 * scale, colour.stroke_width(2 * scale));
            area.draw(&ring).map_err(failed)?;
        }
    }
    Ok(())
}
