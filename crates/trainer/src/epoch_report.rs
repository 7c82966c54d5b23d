use crate::EpochRow;

/// What the end of an epoch found.
#[derive(Clone, Debug, PartialEq)]
pub struct EpochReport {
    /// The history's new row.
    pub row: EpochRow,
    /// Whether it is the best so far.
    pub improved: bool,
}
