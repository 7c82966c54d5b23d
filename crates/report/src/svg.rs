use plotters::prelude::*;

use crate::{
    ReportError,
    draw::{GRID, INK, Medium, SIZE, draw},
    figure::Figure,
    palette,
};

/// plotters' SVG, in which a series has a stand-in for its colour: dashes and the page's own
/// ink, which plotters does not know, are put in afterwards.
struct Vectors;

impl Medium for Vectors {
    // plotters places whole units only.
    const SCALE: u32 = 4;
    const TEXT_DROP: f64 = 0.0;

    fn colour(&self, series: usize) -> RGBColor {
        RGBColor((series % palette::LOOKS) as u8, 254, 220)
    }

    fn strokes(&self, _series: usize, line: Vec<(i32, i32)>) -> Vec<Vec<(i32, i32)>> {
        vec![line]
    }
}

/// A figure as an SVG element, without its legend. Text takes the colour of the text around it.
pub(crate) fn svg(figure: &Figure) -> Result<String, ReportError> {
    let (width, height) = SIZE;
    let size = (width * Vectors::SCALE, height * Vectors::SCALE);
    let mut out = String::new();
    {
        let area = SVGBackend::with_string(&mut out, size).into_drawing_area();
        draw(&area, figure, &Vectors)?;
        let done = area.present();
        done.map_err(|error| ReportError::output(&figure.id, error))?;
    }
    // No text can look like these: plotters writes its quotation marks as `&quot;`.
    for attribute in ["fill", "stroke"] {
        out = out.replace(
            &written(attribute, INK),
            &format!("{attribute}=\"currentColor\""),
        );
        out = out.replace(
            &written(attribute, GRID),
            &format!("{attribute}=\"currentColor\" {attribute}-opacity=\"0.2\""),
        );
    }
    let mut looks: Vec<usize> = figure.lines.iter().map(|line| line.series).collect();
    looks.sort_unstable();
    looks.dedup();
    for series in looks {
        let colour = Vectors.colour(series);
        let hex = palette::hex(series);
        let dashes = palette::dash_attribute(series, Vectors::SCALE);
        let line = format!("fill=\"none\" opacity=\"1\" {}", written("stroke", colour));
        let dashed = format!("fill=\"none\" opacity=\"1\" stroke=\"{hex}\"{dashes}");
        out = out.replace(&line, &dashed);
        for attribute in ["fill", "stroke"] {
            let plain = format!("{attribute}=\"{hex}\"");
            out = out.replace(&written(attribute, colour), &plain);
        }
    }
    Ok(out)
}

/// As plotters writes a colour.
fn written(attribute: &str, RGBColor(red, green, blue): RGBColor) -> String {
    format!("{attribute}=\"#{red:02X}{green:02X}{blue:02X}\"")
}
