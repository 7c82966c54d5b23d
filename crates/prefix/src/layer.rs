use std::collections::BTreeSet;

use burn::nn::Linear;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_rng::DropoutKey;

use crate::SplitForward;

/// A layer of a stack, each of which gets what the one before it gave. A `Vec` of them is a
/// [`SplitForward`] model.
pub trait Layer<B: Backend> {
    /// `[n, ..]` to `[n, ..]`, each sample's row its own; random only by `dropout`.
    fn forward_layer(&self, x: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 3>;
}

impl<B: Backend> Layer<B> for Linear<B> {
    fn forward_layer(&self, x: Tensor<B, 3>, _: Option<&DropoutKey>) -> Tensor<B, 3> {
        self.forward(x)
    }
}

impl<B: Backend, L: Layer<B>> SplitForward<B, 3> for Vec<L> {
    type Output = Tensor<B, 3>;
    /// Before this layer.
    type Cut = usize;

    fn start() -> usize {
        0
    }

    fn cut(&self, trainable: &BTreeSet<String>) -> Option<usize> {
        Some(first_trainable_layer("", self.len(), trainable))
    }

    fn prefix(
        &self,
        x: Tensor<B, 3>,
        cut: usize,
        dropout: Option<&DropoutKey>,
    ) -> Vec<Tensor<B, 3>> {
        vec![run(&self[..cut], x, dropout)]
    }

    fn suffix(
        &self,
        parts: Vec<Tensor<B, 3>>,
        cut: usize,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        let [x] = <[_; 1]>::try_from(parts).expect("a stack has one part at a cut");
        run(&self[cut..], x, dropout)
    }
}

fn run<B: Backend, L: Layer<B>>(
    layers: &[L],
    x: Tensor<B, 3>,
    dropout: Option<&DropoutKey>,
) -> Tensor<B, 3> {
    let layers = layers.iter();
    layers.fold(x, |x, layer| layer.forward_layer(x, dropout))
}

/// The first of `len` layers with a tensor in `trainable`, or `len`: layers at the paths
/// `<field>.0`, `<field>.1`, ..., or `0`, `1`, ... if `field` is empty.
pub fn first_trainable_layer(field: &str, len: usize, trainable: &BTreeSet<String>) -> usize {
    let layer = |path: &String| {
        let path = match field {
            "" => path,
            _ => path.strip_prefix(field)?.strip_prefix('.')?,
        };
        path.split('.').next()?.parse().ok()
    };
    trainable
        .iter()
        .filter_map(layer)
        .min()
        .unwrap_or(len)
        .min(len)
}
