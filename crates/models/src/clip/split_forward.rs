//! Where the image tower's forward pass can be cut in two.

use std::collections::BTreeSet;

use burn::tensor::{Tensor, backend::Backend};
use dacapo_prefix::SplitForward;
use dacapo_rng::DropoutKey;

use super::VisionTower;
use crate::{Cut, Stage};

/// The parts at a cut are those of a [`Stage`]: the residual stream, and before an output projection
/// what it gets.
impl<B: Backend> SplitForward<B, 4> for VisionTower<B> {
    type Output = Tensor<B, 2>;
    type Cut = Cut;

    fn start() -> Cut {
        Cut::block(0)
    }

    fn cut(&self, trainable: &BTreeSet<String>) -> Option<Cut> {
        let within = trainable.iter().map(String::as_str);
        Cut::before(self.blocks.len(), &Cut::BEHIND_IMAGES, &Cut::LATE, within)
    }

    fn prefix(
        &self,
        images: Tensor<B, 4>,
        cut: Cut,
        dropout: Option<&DropoutKey>,
    ) -> Vec<Tensor<B, 3>> {
        let Stage { stream, joined } = VisionTower::prefix(self, images, cut, dropout);
        [Some(stream), joined].into_iter().flatten().collect()
    }

    fn suffix(
        &self,
        parts: Vec<Tensor<B, 3>>,
        cut: Cut,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 2> {
        let mut parts = parts.into_iter();
        let stage = Stage {
            stream: parts.next().expect("a stage has a stream"),
            joined: parts.next(),
        };
        VisionTower::suffix(self, stage, cut, dropout)
    }
}
