use crate::{TrainerError, TrainerRecord};

/// A checkpoint that was read whole and checked, or why it was not.
#[derive(Debug)]
pub struct Examined {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub record: Result<Box<TrainerRecord>, TrainerError>,
}
