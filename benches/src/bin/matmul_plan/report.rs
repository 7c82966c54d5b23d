//! The table and the JSON file.

use std::path::Path;

use serde_json::json;

use crate::bench::Measured;
use crate::candidate::Precision;
use crate::case::Case;

/// What became of a job.
pub enum Outcome {
    /// Timed and checked.
    Measured(Measured),
    /// Refused or broken; why.
    Failed(String),
    /// There was no time left.
    NotRun,
}

/// One line of the table.
pub struct Row {
    /// Shape and layout.
    pub case: Case,
    /// Types of the operands.
    pub precision: Precision,
    /// The strategy.
    pub candidate: String,
    /// Seconds that compiling took, with the first launch.
    pub compile: Option<f64>,
    /// What was seen.
    pub outcome: Outcome,
}

impl Row {
    fn rate(&self) -> Option<f64> {
        match &self.outcome {
            Outcome::Measured(m) => Some(self.case.flops() / m.seconds / 1e12),
            _ => None,
        }
    }

    /// Whether the result is right for its precision, and equal twice.
    fn sound(&self) -> bool {
        let bound = match self.precision {
            Precision::F32 | Precision::Bf16 => 1e-4,
            Precision::Tf32 | Precision::Tf32Declared => 1e-2,
        };
        matches!(&self.outcome, Outcome::Measured(m) if m.equal && m.error < bound)
    }

    /// As printed.
    pub fn line(&self) -> String {
        let c = &self.case;
        let head = format!(
            "{:<10} {} {:>5}x{}x{}x{} {:<13} {:<38}",
            c.name,
            c.layout.name(),
            c.batch,
            c.m,
            c.k,
            c.n,
            self.precision.name(),
            self.candidate
        );
        match &self.outcome {
            Outcome::Measured(m) => format!(
                "{head} {:>8.2} TF/s {:>9.1} us (min {:.1}) error {:.1e}{}{}",
                self.rate().unwrap_or(0.0),
                m.seconds * 1e6,
                m.fastest * 1e6,
                m.error,
                if m.equal { "" } else { " BITS DIFFER" },
                if self.sound() { "" } else { " WRONG" },
            ),
            Outcome::Failed(error) => {
                let short: String = error.chars().take(160).collect();
                format!("{head} - {}", short.replace('\n', " "))
            }
            Outcome::NotRun => format!("{head} - no time left"),
        }
    }
}

/// Prints the sound candidates of each case and precision, fastest first.
pub fn print(rows: &[Row]) {
    let mut sorted: Vec<&Row> = rows.iter().filter(|row| row.sound()).collect();
    let place = |row: &Row| {
        rows.iter()
            .position(|other| other.case.name == row.case.name)
    };
    sorted.sort_by(|a, b| {
        let rate = |row: &Row| row.rate().unwrap_or(0.0);
        (place(a), a.precision.name())
            .cmp(&(place(b), b.precision.name()))
            .then(rate(b).total_cmp(&rate(a)))
    });
    println!("right and equal twice, fastest first (at most six of each):");
    let mut last = None;
    let mut shown = 0;
    for row in sorted {
        let group = (row.case.name, row.precision.name());
        if last != Some(group) {
            println!();
            last = Some(group);
            shown = 0;
        }
        shown += 1;
        if shown <= 6 {
            println!("{}", row.line());
        }
    }
    let count = |test: fn(&Outcome) -> bool| rows.iter().filter(|row| test(&row.outcome)).count();
    println!(
        "\n{} measured, {} refused or broken, {} not run",
        count(|o| matches!(o, Outcome::Measured(_))),
        count(|o| matches!(o, Outcome::Failed(_))),
        count(|o| matches!(o, Outcome::NotRun)),
    );
    for row in rows {
        if matches!(row.outcome, Outcome::Measured(_)) && !row.sound() {
            println!("{}", row.line());
        }
    }
}

/// Writes everything as JSON.
pub fn write(rows: &[Row], path: &Path, compiling: f64, seconds: f64) -> std::io::Result<()> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let c = &row.case;
            let mut value = json!({
                "case": c.name, "layout": c.layout.name(), "batch": c.batch,
                "m": c.m, "k": c.k, "n": c.n,
                "precision": row.precision.name(), "candidate": row.candidate,
                "compile_s": row.compile,
            });
            let more = match &row.outcome {
                Outcome::Measured(m) => json!({
                    "tflops": row.rate(), "seconds": m.seconds, "fastest": m.fastest,
                    "error": m.error, "equal_bits": m.equal, "sound": row.sound(),
                }),
                Outcome::Failed(error) => json!({ "failed": error }),
                Outcome::NotRun => json!({ "not_run": true }),
            };
            if let (Some(value), serde_json::Value::Object(more)) = (value.as_object_mut(), more) {
                value.extend(more);
            }
            value
        })
        .collect();
    let all = json!({ "compile_s": compiling, "total_s": seconds, "rows": rows });
    std::fs::write(path, format!("{all:#}\n"))
}
