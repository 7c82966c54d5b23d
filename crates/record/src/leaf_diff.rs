use std::fmt;

use serde::Serialize;

use crate::DiffKind;

/// How the two leaves at one path differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeafDiff {
    /// The leaves' path.
    pub path: String,
    /// In what they differ.
    pub kind: DiffKind,
    /// The left one: its kind, dtype or shape, or the first differing value;
    /// floats with their bits.
    pub left: String,
    /// The right one.
    pub right: String,
    /// The number of elements compared: 1 for a scalar, 0 unless `kind` is
    /// [`DiffKind::Value`].
    pub elements: u64,
    /// How many of them differ.
    pub differing: u64,
    /// The flat (row-major) index of the first one that differs, in a tensor or
    /// a run of bytes.
    pub first_index: Option<u64>,
    /// The largest distance of two differing elements in units in the last
    /// place; of integers, their difference. Pairs with a NaN have none. 0 means
    /// that zeros of unlike sign are all that differs.
    pub max_ulp: Option<u64>,
}

impl fmt::Display for LeafDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = (Short(&self.left), Short(&self.right));
        write!(f, "{}: ", self.path)?;
        match (self.kind, self.first_index) {
            (DiffKind::Type, _) => write!(f, "{left} | {right}")?,
            (DiffKind::Dtype, _) => write!(f, "dtype {left} | {right}")?,
            (DiffKind::Shape, _) => write!(f, "shape {left} | {right}")?,
            (DiffKind::Value, None) => write!(f, "{left} | {right}")?,
            (DiffKind::Value, Some(first)) => write!(
                f,
                "{} of {} values differ, first at {first}: {left} | {right}",
                self.differing, self.elements
            )?,
        }
        match self.max_ulp {
            Some(distance) => write!(f, ", {distance} ULP apart at most"),
            None => Ok(()),
        }
    }
}

/// A text on one short line.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.floor_char_boundary(80);
        f.write_str(&self.0[..end])?;
        if end < self.0.len() {
            f.write_str("...")?;
        }
        Ok(())
    }
}
