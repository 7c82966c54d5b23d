use serde::Serialize;

/// In what two leaves of one path differ. The first that applies, from the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DiffKind {
    /// The kind of leaf: a number here, text there.
    Type,
    /// The dtype of a tensor or the width of a float.
    Dtype,
    /// The shape of a tensor or the length of a run of bytes.
    Shape,
    /// The value alone.
    Value,
}
