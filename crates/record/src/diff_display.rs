use std::fmt;

use crate::TreeDiff;

/// A [`TreeDiff`] with at most `max_leaves` lines of leaves.
pub(crate) struct DiffDisplay<'a> {
    pub(crate) diff: &'a TreeDiff,
    pub(crate) max_leaves: usize,
}

impl fmt::Display for DiffDisplay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let diff = self.diff;
        let (differing, left, right) = (
            diff.differing.len(),
            diff.only_left.len(),
            diff.only_right.len(),
        );
        write!(
            f,
            "{} leaves equal, {differing} differing, {left} only in the left, {right} only in the \
             right, {} not compared",
            diff.equal, diff.ignored
        )?;
        let mut lines = 0..self.max_leaves;
        for leaf in diff.differing.iter().take(self.max_leaves) {
            lines.next();
            write!(f, "\n{leaf}")?;
        }
        let only = [("left", &diff.only_left), ("right", &diff.only_right)];
        for (side, paths) in only {
            // The range comes second in the zip, so that it loses no line.
            for (path, _) in paths.iter().zip(&mut lines) {
                write!(f, "\n{path}: only in the {side}")?;
            }
        }
        match (differing + left + right).saturating_sub(self.max_leaves) {
            0 => Ok(()),
            more => write!(f, "\n... and {more} more"),
        }
    }
}
