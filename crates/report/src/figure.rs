/// A plot, whatever it is drawn on.
pub(crate) struct Figure {
    /// Names its files.
    pub(crate) id: String,
    pub(crate) title: String,
    /// What it shows, in a sentence or more.
    pub(crate) caption: String,
    pub(crate) y_label: String,
    /// The name of its values in tables.
    pub(crate) column: &'static str,
    pub(crate) axis: Axis,
    pub(crate) lines: Vec<Line>,
    pub(crate) bands: Vec<Band>,
    /// Values that are marked across the plot, and what they are.
    pub(crate) marks: Vec<(f64, String)>,
}

/// How values are placed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    Linear,
    /// From zero.
    Count,
    Log,
}

/// A curve over epochs.
pub(crate) struct Line {
    /// Its look.
    pub(crate) series: usize,
    pub(crate) label: String,
    /// The run's id, where it is one run's.
    pub(crate) run_id: String,
    /// What the legend adds to the label.
    pub(crate) note: String,
    /// Epoch and value; values that cannot be drawn included.
    pub(crate) points: Vec<(u64, f64)>,
    /// Whether its end is marked.
    pub(crate) ringed: bool,
}

/// A shaded range of epochs.
pub(crate) struct Band {
    pub(crate) series: usize,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

impl Figure {
    /// Whether the value has a place on the axis.
    pub(crate) fn draws(&self, value: f64) -> bool {
        value.is_finite() && (self.axis != Axis::Log || value > 0.0)
    }

    /// Every value that has a place, with its epoch.
    pub(crate) fn drawn(&self) -> impl Iterator<Item = (f64, f64)> {
        let points = self.lines.iter().flat_map(|line| &line.points);
        points
            .filter(|(_, value)| self.draws(*value))
            .map(|(epoch, value)| (*epoch as f64, *value))
    }
}

impl Line {
    /// What the legend writes behind the label.
    pub(crate) fn note(&self) -> String {
        match self.note.is_empty() {
            true => String::new(),
            false => format!(" ({})", self.note),
        }
    }

    /// What a log axis leaves out of these values, in words; empty if nothing.
    pub(crate) fn left_out(points: &[(u64, f64)]) -> String {
        let zeros = points.iter().filter(|(_, value)| *value == 0.0).count();
        let others = points.iter().filter(|(_, value)| !value.is_finite());
        let others = others.count();
        let mut notes = Vec::new();
        if points.is_empty() {
            notes.push("no epoch yet".to_owned());
        } else if zeros == points.len() {
            notes.push("0 throughout".to_owned());
        } else if zeros > 0 {
            notes.push(format!("0 in {zeros} of {} epochs", points.len()));
        }
        if others > 0 {
            notes.push(format!("no number in {others} of {} epochs", points.len()));
        }
        notes.join(", ")
    }
}
