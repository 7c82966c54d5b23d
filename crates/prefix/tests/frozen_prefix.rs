//! A stack of layers gains the cache without a line of its own, and no bit changes.

use std::{cell::Cell, collections::BTreeSet, num::NonZeroUsize};

use burn::{
    backend::Autodiff,
    module::Module,
    nn::Linear,
    tensor::{Tensor, TensorData, activation::gelu, backend::Backend},
};
use burn_flex::{Flex, FlexDevice};
use dacapo_prefix::{
    FrozenPrefix, Layer, Limits, PrefixCache, Samples, SplitForward, first_trainable_layer,
};
use dacapo_rng::{DropoutKey, Stream};

type Train = Autodiff<Flex>;

const SAMPLES: usize = 11;
const WIDTH: usize = 8;
const LAYERS: usize = 4;

/// A linear layer and GELU.
#[derive(Module, Debug)]
struct Dense<B: Backend> {
    linear: Linear<B>,
}

impl<B: Backend> Layer<B> for Dense<B> {
    fn forward_layer(&self, x: Tensor<B, 3>, _: Option<&DropoutKey>) -> Tensor<B, 3> {
        gelu(self.linear.forward(x))
    }
}

fn numbers(len: usize, name: &str) -> Vec<f32> {
    let mut stream = Stream::named(3, name);
    (0..len)
        .map(|_| stream.uniform_f64() as f32 - 0.5)
        .collect()
}

/// Trainable from layer `first` on.
fn stack(first: usize) -> Vec<Dense<Train>> {
    let layer = |at: usize| {
        let weight = numbers(WIDTH * WIDTH, &format!("layer {at}"));
        let weight = TensorData::new(weight, [WIDTH, WIDTH]);
        let weight = Tensor::<Train, 2>::from_data(weight, &FlexDevice);
        let linear = Linear {
            weight: burn::module::Param::from_tensor(weight),
            bias: None,
        };
        let layer = Dense { linear };
        if at < first { layer.no_grad() } else { layer }
    };
    (0..LAYERS).map(layer).collect()
}

fn trainable(first: usize) -> BTreeSet<String> {
    (first..LAYERS)
        .map(|at| format!("{at}.linear.weight"))
        .collect()
}

fn input(indices: &[usize]) -> Tensor<Flex, 3> {
    let all = numbers(SAMPLES * 2 * WIDTH, "samples");
    let rows = indices.iter();
    let rows: Vec<f32> = rows
        .flat_map(|at| all[at * 2 * WIDTH..][..2 * WIDTH].to_vec())
        .collect();
    Tensor::from_data(
        TensorData::new(rows, [indices.len(), 2, WIDTH]),
        &FlexDevice,
    )
}

fn prefix(keep: bool, first: usize) -> FrozenPrefix<Flex> {
    let limits = Limits {
        device: u64::MAX,
        host: 0,
    };
    let cache = PrefixCache::new(NonZeroUsize::new(4).expect("not zero"), limits);
    cache.keep(keep);
    let mut prefix = FrozenPrefix::new(cache);
    prefix.prepare(trainable(first));
    prefix
}

/// Output and gradients of three passes over some samples.
fn passes(prefix: &FrozenPrefix<Flex>, first: usize, seen: &Cell<usize>) -> Vec<TensorData> {
    let model = stack(first);
    let mut found = Vec::new();
    for indices in [&[0, 5, 3][..], &[10, 9, 8, 7, 6, 5], &[0, 5, 3]] {
        let samples = Samples {
            set: "all",
            len: SAMPLES,
            indices,
        };
        let batch = |indices: &[usize]| {
            seen.set(seen.get() + indices.len());
            input(indices)
        };
        let y = prefix
            .forward(&model, &samples, batch, None)
            .expect("computes");
        let grads = (y.clone() * y.clone()).sum().backward();
        found.push(y.into_data());
        for layer in &model[first..] {
            let grad = layer.linear.weight.val().grad(&grads);
            found.push(grad.expect("it is trained").into_data());
        }
    }
    found
}

#[test]
fn kept_prefix_changes_bits_of_a_stack() {
    for first in 0..LAYERS {
        let (kept, computed) = (Cell::new(0), Cell::new(0));
        let with = passes(&prefix(true, first), first, &kept);
        let without = passes(&prefix(false, first), first, &computed);
        assert_eq!(with, without, "trained from layer {first} on");
        let model = stack(first);
        let y = model.forward_whole(Tensor::from_inner(input(&[0, 5, 3])), None);
        y.into_data()
            .assert_approx_eq::<f32>(&with[0], Default::default());
        if first == 0 {
            // Nothing comes before: each batch is computed as it is.
            assert_eq!([kept.get(), computed.get()], [12, 12]);
        } else {
            // The first micro-batch once more, turned: does its place matter?
            let filled = SAMPLES.next_multiple_of(4);
            assert!(
                kept.get() <= filled + 2 * 4,
                "{} samples computed",
                kept.get()
            );
            assert_eq!(computed.get(), 4 + 8 + 4);
        }
    }
}

#[test]
fn evaluation_sees_another_prefix() {
    let model = stack(2);
    let prefix = prefix(true, 2);
    let samples = Samples {
        set: "all",
        len: SAMPLES,
        indices: &[4, 1],
    };
    let trained = prefix
        .forward(&model, &samples, input, None)
        .expect("computes");
    let others = prefix
        .forward_others(&model, input(&[4, 1]), None)
        .expect("computes");
    let frozen: Vec<Dense<Flex>> = burn::module::AutodiffModule::valid(&model);
    let judged = prefix.evaluate(&frozen, &samples, input).expect("computes");
    assert_eq!(judged.clone().into_data(), trained.into_data());
    assert_eq!(judged.into_data(), others.into_data());
}

#[test]
fn layer_is_cut_behind_its_first_trainable_tensor() {
    let set = |paths: &[&str]| -> BTreeSet<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    };
    for (field, paths, expected) in [
        ("", &["2.weight", "10.bias"][..], 2),
        ("", &[][..], 12),
        ("", &["head.weight"][..], 12),
        (
            "layers",
            &["layers.11.a.b", "layers.3.a", "0.a", "layersx.1.a"][..],
            3,
        ),
        ("layers", &["layers.40.a"][..], 12),
    ] {
        assert_eq!(
            first_trainable_layer(field, 12, &set(paths)),
            expected,
            "{field} {paths:?}"
        );
    }
}
