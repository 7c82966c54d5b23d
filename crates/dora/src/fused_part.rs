use burn::module::Module;
use burn::tensor::backend::Backend;

use crate::DoraAdapter;
use crate::merged::MergedWeight;

/// One of the layers of a [`DoraFusedLinear`](crate::DoraFusedLinear): a named
/// range of its outputs.
#[derive(Module, Debug)]
pub struct FusedPart<B: Backend> {
    /// The adapter, once attached.
    pub adapter: Option<DoraAdapter<B>>,
    pub(crate) merged: MergedWeight<B>,
    #[module(skip)]
    name: String,
    width: usize,
}

impl<B: Backend> FusedPart<B> {
    pub(crate) fn new(name: &str, width: usize) -> Self {
        Self {
            adapter: None,
            merged: MergedWeight(None),
            name: name.to_owned(),
            width,
        }
    }

    /// Its name, the last part of its path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of its outputs.
    pub fn width(&self) -> usize {
        self.width
    }
}
