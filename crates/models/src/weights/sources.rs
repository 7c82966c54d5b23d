use std::collections::BTreeSet;

use super::TensorRule;

/// Where the tensors of a model are in a file of weights.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// Of every tensor of the model.
    pub rules: Vec<TensorRule>,
    /// The tensors of the file that are known and not read.
    pub unread: BTreeSet<String>,
}
