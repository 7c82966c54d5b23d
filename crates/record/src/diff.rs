use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::diff_display::DiffDisplay;
use crate::dtype::Dtype;
use crate::tree::is_ignored;
use crate::{DiffKind, Leaf, LeafDiff, ulp};

/// The outcome of comparing two [`Tree`](crate::Tree)s bit by bit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct TreeDiff {
    /// How many leaves are equal.
    pub equal: usize,
    /// How many leaves of either side were not compared.
    pub ignored: usize,
    /// The leaves of both sides that differ, by path.
    pub differing: Vec<LeafDiff>,
    /// The paths of leaves that only the left side has.
    pub only_left: Vec<String>,
    /// The paths of leaves that only the right side has.
    pub only_right: Vec<String>,
}

impl TreeDiff {
    /// Whether every compared leaf is on both sides, with equal bits.
    pub fn is_equal(&self) -> bool {
        self.differing.is_empty() && self.only_left.is_empty() && self.only_right.is_empty()
    }

    /// The counts on one line, then one line for each of the first `max_leaves`
    /// leaves that differ. `to_string()` of the value itself writes all of them.
    pub fn display(&self, max_leaves: usize) -> impl fmt::Display {
        DiffDisplay {
            diff: self,
            max_leaves,
        }
    }
}

impl fmt::Display for TreeDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.display(usize::MAX).fmt(f)
    }
}

pub(crate) fn compare(
    left: &BTreeMap<String, Leaf>,
    right: &BTreeMap<String, Leaf>,
    ignore: &[&str],
) -> TreeDiff {
    let mut diff = TreeDiff::default();
    for (path, leaf) in left {
        if is_ignored(path, ignore) {
            diff.ignored += 1;
            continue;
        }
        match right.get(path) {
            None => diff.only_left.push(path.clone()),
            Some(other) if leaf == other => diff.equal += 1,
            Some(other) => diff.differing.push(compare_leaves(path, leaf, other)),
        }
    }
    for path in right.keys().filter(|path| !left.contains_key(*path)) {
        if is_ignored(path, ignore) {
            diff.ignored += 1;
        } else {
            diff.only_right.push(path.clone());
        }
    }
    diff
}

/// `left` and `right` are known to differ.
fn compare_leaves(path: &str, left: &Leaf, right: &Leaf) -> LeafDiff {
    let unlike = |kind| LeafDiff {
        path: path.to_owned(),
        kind,
        left: left.describe(),
        right: right.describe(),
        elements: 0,
        differing: 0,
        first_index: None,
        max_ulp: None,
    };
    let scalar = |left: String, right: String, max_ulp| LeafDiff {
        left,
        right,
        elements: 1,
        differing: 1,
        max_ulp,
        ..unlike(DiffKind::Value)
    };
    match (left, right) {
        (Leaf::Bool(left), Leaf::Bool(right)) => scalar(left.to_string(), right.to_string(), None),
        (Leaf::Str(left), Leaf::Str(right)) => {
            scalar(format!("{left:?}"), format!("{right:?}"), None)
        }
        (Leaf::Int(left), Leaf::Int(right)) => scalar(
            left.to_string(),
            right.to_string(),
            Some(ulp::distance(*left, *right)),
        ),
        (Leaf::F32(left), Leaf::F32(right)) => LeafDiff {
            first_index: None,
            ..elements(path, Dtype::F32, &left.to_le_bytes(), &right.to_le_bytes())
        },
        (Leaf::F64(left), Leaf::F64(right)) => LeafDiff {
            first_index: None,
            ..elements(path, Dtype::F64, &left.to_le_bytes(), &right.to_le_bytes())
        },
        (Leaf::F32(_), Leaf::F64(_)) | (Leaf::F64(_), Leaf::F32(_)) => unlike(DiffKind::Dtype),
        (Leaf::Bytes(left), Leaf::Bytes(right)) if left.len() == right.len() => {
            elements(path, Dtype::Unsigned(1), left, right)
        }
        (Leaf::Bytes(left), Leaf::Bytes(right)) => LeafDiff {
            left: format!("{} bytes", left.len()),
            right: format!("{} bytes", right.len()),
            ..unlike(DiffKind::Shape)
        },
        (
            Leaf::Tensor {
                dtype: left_dtype,
                shape: left_shape,
                bytes: left,
            },
            Leaf::Tensor {
                dtype: right_dtype,
                shape: right_shape,
                bytes: right,
            },
        ) => {
            if left_dtype != right_dtype {
                unlike(DiffKind::Dtype)
            } else if left_shape != right_shape {
                unlike(DiffKind::Shape)
            } else {
                let dtype = Dtype::of(left_dtype).expect("`flatten` lets only known ones in");
                elements(path, dtype, left, right)
            }
        }
        _ => unlike(DiffKind::Type),
    }
}

/// Compares runs of equal length that differ somewhere.
fn elements(path: &str, dtype: Dtype, left: &[u8], right: &[u8]) -> LeafDiff {
    let mut diff = LeafDiff {
        path: path.to_owned(),
        kind: DiffKind::Value,
        left: String::new(),
        right: String::new(),
        elements: (left.len() / dtype.size()) as u64,
        differing: 0,
        first_index: None,
        max_ulp: None,
    };
    let pairs = left
        .chunks_exact(dtype.size())
        .zip(right.chunks_exact(dtype.size()));
    for (index, (left, right)) in (0..).zip(pairs) {
        if left == right {
            continue;
        }
        if diff.first_index.is_none() {
            diff.first_index = Some(index);
            diff.left = ulp::show(dtype, left);
            diff.right = ulp::show(dtype, right);
        }
        diff.differing += 1;
        let distance = ulp::rank(dtype, left)
            .zip(ulp::rank(dtype, right))
            .map(|(left, right)| ulp::distance(left, right));
        // `None` is the smallest.
        diff.max_ulp = diff.max_ulp.max(distance);
    }
    diff
}
