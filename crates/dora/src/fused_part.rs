use burn::module::Module;
use burn::tensor::backend::Backend;

use crate::merged::MergedWeight;
use crate::targets::join;
use crate::{DoraAdapter, DoraConfig, DoraError};

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

    /// Its stable path, that of the whole being `layer`.
    pub(crate) fn path(&self, layer: &str) -> String {
        join(layer, &self.name)
    }

    /// The checks of [`DoraLinear::attach`](crate::DoraLinear::attach) that need no
    /// arithmetic.
    pub(crate) fn check_attachable(
        &self,
        config: &DoraConfig,
        path: &str,
        d_in: usize,
    ) -> Result<(), DoraError> {
        if let Some(adapter) = &self.adapter {
            return Err(DoraError::AlreadyAttached {
                path: path.to_owned(),
                attached: adapter.path().to_owned(),
            });
        }
        // It would be taken from a copy of the part's weight.
        if config.init.takes_from_base() {
            return Err(DoraError::UnsupportedInit {
                path: path.to_owned(),
                kind: "part of a fused layer",
                found: config.init,
            });
        }
        config.check_for(path, d_in, self.width)
    }
}
