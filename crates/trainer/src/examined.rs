use std::path::PathBuf;

use crate::{TrainerError, TrainerRecord};

/// A checkpoint that was read whole and checked, or why it was not.
#[derive(Debug)]
pub struct Examined {
    /// Its name.
    pub name: String,
    /// The step in its name.
    pub step: u64,
    /// Its file.
    pub file: PathBuf,
    /// What it holds.
    pub record: Result<Box<TrainerRecord>, TrainerError>,
}
