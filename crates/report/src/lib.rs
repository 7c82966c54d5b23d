//! Reports on runs and their branches for dacapo.
//!
//! # Contract
//!
//! * [`html`]: one page with the curves of all runs, the drift of branches from the run that they
//!   began with, early stopping, learning rate, lineage, identity and ablations. It needs no
//!   network, no other file and no JavaScript, and loads nothing.
//! * [`csv()`]: the values of every plot and every table.
//! * [`png()`]: every plot as a picture for print.
//! * [`Ablation::from_json`]: reads an `ablation.json` of format 1, and refuses any other.
//!
//! The same [`Report`] gives the same bytes, on the same machine. Names, settings and metrics may
//! hold any text: it is escaped, and never becomes the name of a file. Values may be any number:
//! what has no place on an axis (zero on a logarithmic one, what is not finite) is left out there
//! and told in the legend.
//!
//! ```
//! use dacapo_report::{Report, html};
//!
//! let report = Report {
//!     title: "Nothing <yet>".to_owned(),
//!     command: "dacapo report runs".to_owned(),
//!     runs: Vec::new(),
//!     ablations: Vec::new(),
//! };
//! assert!(html(&report)?.contains("<h1>Nothing &lt;yet&gt;</h1>"));
//! # Ok::<(), dacapo_report::ReportError>(())
//! ```
//!
//! # What this crate does not do
//!
//! * It reads no run folder and writes no file; it knows neither Burn nor any record.
//! * It computes no statistics over runs: no means, no intervals, no tests.
//! * It reads no clock and no environment.
//! * It looks for no font: pictures know Latin, Greek and Cyrillic, and show a box for any other
//!   letter. A page's letters are the browser's.
//! * It tells 30 lines in one plot apart; more than that look alike in part.
//! * A spreadsheet may take a name that begins with `=` for a formula: names are written to CSV
//!   files as they are.

mod ablation;
mod ablation_baseline;
mod ablation_baseline_row;
mod ablation_case;
mod ablation_figures;
mod ablation_row;
mod draw;
mod drift;
mod error;
mod escape;
mod family;
mod figure;
mod figures;
mod files;
mod html_ablation;
mod html_identity;
mod html_lineage;
mod html_runs;
mod number;
mod output_file;
mod page;
mod palette;
mod pixels;
mod report;
mod report_ablation;
mod report_change;
mod report_fork;
mod report_perturbation;
mod report_row;
mod report_run;
mod report_stopping;
mod scale;
mod svg;
mod ticks;
mod tracks;

pub use ablation::Ablation;
pub use ablation_baseline::AblationBaseline;
pub use ablation_baseline_row::AblationBaselineRow;
pub use ablation_case::AblationCase;
pub use ablation_row::AblationRow;
pub use error::ReportError;
pub use files::{csv, png};
pub use output_file::OutputFile;
pub use page::html;
pub use report::Report;
pub use report_ablation::ReportAblation;
pub use report_change::ReportChange;
pub use report_fork::ReportFork;
pub use report_perturbation::ReportPerturbation;
pub use report_row::ReportRow;
pub use report_run::ReportRun;
pub use report_stopping::ReportStopping;
