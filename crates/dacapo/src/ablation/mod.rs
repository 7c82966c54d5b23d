//! What becomes of a run that is resumed without a part of its state. What it finds is
//! [`dacapo_report`]'s to define and to draw.

mod run;
mod table;

pub use run::ablate;
pub use table::{csv, markdown};
