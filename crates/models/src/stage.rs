use burn::tensor::{
    Tensor,
    backend::{AutodiffBackend, Backend},
};
use dacapo_rng::DropoutKey;

use crate::readout::{Asking, Readout};
use crate::{Block, Cut};

/// A forward pass at a [`Cut`].
#[derive(Debug, Clone)]
pub struct Stage<B: Backend> {
    /// The residual stream, `[n, tokens, d_model]`; after the heads of the last block of the
    /// one token that is read, `[n, 1, d_model]`.
    pub stream: Tensor<B, 3>,
    /// What the output projection gets, of the same shape; there only before one.
    pub joined: Option<Tensor<B, 3>>,
}

impl<B: AutodiffBackend> Stage<B> {
    /// One that was computed without gradients.
    pub fn from_inner(inner: Stage<B::InnerBackend>) -> Self {
        Self {
            stream: Tensor::from_inner(inner.stream),
            joined: inner.joined.map(Tensor::from_inner),
        }
    }
}

impl<B: Backend> Stage<B> {
    /// From one place in `blocks` to a later one. In the last block, only the token that
    /// `readout` names is followed: nothing reads the others.
    pub(crate) fn advance(
        mut self,
        blocks: &[Block<B>],
        from: Cut,
        to: Cut,
        readout: &Readout,
        dropout: Option<&DropoutKey>,
    ) -> Self {
        let mut at = from;
        while at < to {
            let (index, before_projection) = at.place();
            let block = &blocks[index];
            self = match self.joined {
                Some(joined) if before_projection => Self {
                    stream: block.project(self.stream, joined, dropout),
                    joined: None,
                },
                _ => {
                    let asking = (index + 1 == blocks.len()).then(|| Asking {
                        readout,
                        tokens: readout.select(self.stream.clone()),
                    });
                    let followed = asking.as_ref().map(|asking| asking.tokens.clone());
                    let joined = block.joined(self.stream.clone(), asking, dropout);
                    Self {
                        stream: followed.unwrap_or(self.stream),
                        joined: Some(joined),
                    }
                }
            };
            at = at.next();
        }
        self
    }
}
