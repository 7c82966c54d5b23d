//! BERT's forward pass that is cut in two is the same, to the bit, wherever it is cut, kept or
//! not; and nothing in front of the cut is trained.

mod common;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use burn::module::AutodiffModule;
use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use common::bert::{frozen, sentences};
use common::{DEVICE, Train};
use dacapo_dora::{AdapterInit, DoraConfig, Flavour, attach_matching};
use dacapo_models::{Bert, Cut, Sentences};
use dacapo_prefix::{FrozenPrefix, Limits, PrefixCache, Samples, SplitForward};
use dacapo_rng::{DropoutKey, Stream};

const BLOCKS: usize = 2;

/// Every place, from before the first block to after the last.
fn cuts() -> Vec<Cut> {
    let places = (0..BLOCKS).flat_map(|block| [Cut::block(block), Cut::out_proj(block)]);
    places.chain([Cut::block(BLOCKS)]).collect()
}

fn input(sentences: &Sentences) -> Tensor<Flex, 2> {
    let config = common::bert::config();
    sentences.tensor(&config, &DEVICE).expect("sentences")
}

#[test]
fn cut_changes_bits() {
    let model = frozen().valid();
    let whole = model.embed(&sentences(), None).into_data();
    for cut in cuts() {
        let parts = model.prefix(input(&sentences()), cut, None);
        assert_eq!(model.suffix(parts, cut, None).into_data(), whole, "{cut:?}");
    }
}

#[test]
fn part_is_missing_or_kept_in_vain() {
    let model = frozen().valid();
    for cut in cuts() {
        let parts = model.prefix(input(&sentences()), cut, None);
        let shapes: Vec<[usize; 3]> = parts.iter().map(Tensor::dims).collect();
        let (stream, mask) = ([5, 12, 32], [5, 12, 1]);
        let expected = match cut.place() {
            (BLOCKS, _) => vec![[5, 1, 32]],
            (_, true) => vec![stream, stream, mask],
            (_, false) => vec![stream, mask],
        };
        assert_eq!(shapes, expected, "{cut:?}");
    }
}

#[test]
fn kept_row_depends_on_its_neighbours() {
    let model = frozen().valid();
    let parts = |indices: &[usize]| -> Vec<Vec<TensorData>> {
        let batch = sentences().select(indices).expect("there");
        let parts = cuts().into_iter();
        let parts = parts.flat_map(|cut| model.prefix(input(&batch), cut, None));
        parts
            .map(|part| {
                (0..5)
                    .map(|at| part.clone().narrow(0, at, 1).into_data())
                    .collect()
            })
            .collect()
    };
    let whole = parts(&[0, 1, 2, 3, 4]);
    for indices in [[4, 3, 2, 1, 0], [1, 1, 1, 1, 1], [3, 0, 0, 2, 3]] {
        for (part, of_whole) in parts(&indices).iter().zip(&whole) {
            for (row, index) in part.iter().zip(indices) {
                assert_eq!(row, &of_whole[index], "{index} among {indices:?}");
            }
        }
    }
}

#[test]
fn trainable_tensor_lies_in_front_of_the_cut() {
    let model = frozen();
    let cut = |paths: &[&str]| {
        let paths: BTreeSet<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        SplitForward::<Train, 2>::cut(&model, &paths)
    };
    let cases: [(&[&str], Option<Cut>); 11] = [
        (&[], Some(Cut::block(2))),
        (&["blocks.1.norm2.gamma"], Some(Cut::out_proj(1))),
        (&["blocks.1.mlp.fc2.adapter.lora_a"], Some(Cut::out_proj(1))),
        // Behind the attention, not in front of it as in a pre-norm block.
        (&["blocks.1.norm1.beta"], Some(Cut::out_proj(1))),
        (&["blocks.1.attn.out_proj.bias"], Some(Cut::out_proj(1))),
        (&["blocks.1.attn.value.adapter.lora_b"], Some(Cut::block(1))),
        (
            &["blocks.1.attn.key.weight", "blocks.0.mlp.fc1.weight"],
            Some(Cut::out_proj(0)),
        ),
        (&["blocks.0.attn.query.weight"], Some(Cut::block(0))),
        (&["embed.tokens"], None),
        (&["embed.norm.gamma", "blocks.1.norm2.gamma"], None),
        (&["head.weight"], None),
    ];
    for (paths, expected) in cases {
        assert_eq!(cut(paths), expected, "{paths:?}");
    }
}

/// With adapters of this pattern, which are not what they were at the start.
fn adapted(pattern: &str) -> (Bert<Train>, BTreeSet<String>) {
    let dora = DoraConfig {
        flavour: Flavour::ClipHba,
        rank: 3,
        alpha: 6.0,
        dropout: 0.2,
        rslora: false,
        init: AdapterInit::Kaiming,
    };
    let stream = &mut Stream::named(7, "init");
    let patterns = [pattern.to_owned()];
    let (model, attached) =
        attach_matching(frozen(), &patterns, &dora, stream).expect("attachable");
    let tensors = attached.iter().flat_map(|path| {
        ["lora_a", "lora_b", "magnitude"].map(|own| format!("{path}.adapter.{own}"))
    });
    let tensors = tensors.collect();
    (model, tensors)
}

#[test]
fn kept_prefix_changes_bits() {
    let all = sentences();
    let limits = Limits {
        device: u64::MAX,
        host: 0,
    };
    for pattern in [
        "blocks.0.mlp.*",
        "blocks.1.attn.*",
        "blocks.1.attn.out_proj",
        "blocks.1.mlp.fc2",
    ] {
        let (model, trainable) = adapted(pattern);
        let passes = |keep: bool| {
            let cache = PrefixCache::new(NonZeroUsize::new(2).expect("not zero"), limits);
            cache.keep(keep);
            let mut prefix = FrozenPrefix::<Flex>::new(cache);
            prefix.prepare(trainable.clone());
            assert!(prefix.cut::<Train, 2, _>(&model).is_some(), "{pattern}");
            let mut found = Vec::new();
            for indices in [&[0, 4, 3][..], &[2, 1], &[0, 4, 3]] {
                let samples = Samples {
                    set: "all",
                    len: all.len(),
                    indices,
                };
                let batch = |some: &[usize]| input(&all.select(some).expect("there"));
                let key = DropoutKey::new(1, "dropout", 0, 0);
                let embedded = prefix.forward(&model, &samples, batch, Some(&key));
                let embedded = embedded.expect("computes");
                let gradients = embedded.clone().powf_scalar(2.0).sum().backward();
                let gradients = common::gradients(&model, &gradients);
                assert!(gradients.keys().eq(trainable.iter()), "{pattern}");
                found.push(embedded.into_data());
                found.extend(gradients.into_values());
            }
            found
        };
        assert_eq!(passes(true), passes(false), "{pattern}");
    }
}
