//! A forward pass that is cut in two is the same, to the bit, wherever it is cut; and nothing in
//! front of the cut is trained.

mod common;

use std::collections::BTreeSet;

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use common::DEVICE;
use dacapo_models::{Activation, Clip, ClipConfig, Cut, TokenBatch, TowerConfig};
use dacapo_rng::Stream;

const BLOCKS: usize = 3;

fn clip() -> (Clip<Flex>, Tensor<Flex, 4>, TokenBatch) {
    let tower = |d_model| TowerConfig {
        d_model,
        blocks: BLOCKS,
        heads: 2,
        d_mlp: 2 * d_model,
    };
    let config = ClipConfig {
        image_size: 12,
        patch_size: 4,
        vision: tower(16),
        text: tower(8),
        d_embed: 6,
        vocabulary: 11,
        context: 7,
        activation: Activation::QuickGelu,
    };
    let model = Clip::init(&config, &mut Stream::named(1, "init"), &DEVICE).expect("a config");
    let mut stream = Stream::named(2, "images");
    let pixels: Vec<f32> = (0..5 * 3 * 12 * 12)
        .map(|_| stream.uniform_f64() as f32)
        .collect();
    let images = Tensor::from_data(TensorData::new(pixels, [5, 3, 12, 12]), &DEVICE);
    let texts = vec![vec![9, 1, 10], vec![9, 2, 3, 4, 10], vec![9, 10]];
    (model, images, TokenBatch::new(texts).expect("texts"))
}

/// Every place, from before the first block to after the last.
fn cuts() -> Vec<Cut> {
    let places = (0..BLOCKS).flat_map(|block| [Cut::block(block), Cut::out_proj(block)]);
    places.chain([Cut::block(BLOCKS)]).collect()
}

#[test]
fn cut_changes_bits() {
    let (model, images, texts) = clip();
    let whole = model.visual.forward(images.clone(), None).into_data();
    let read = model.text.forward(&texts, None).into_data();
    for cut in cuts() {
        let stage = model.visual.prefix(images.clone(), cut, None);
        let (_, before_projection) = cut.place();
        assert_eq!(stage.joined.is_some(), before_projection, "{cut:?}");
        let features = model.visual.suffix(stage, cut, None).into_data();
        assert_eq!(features, whole, "{cut:?}");
        let stage = model.text.prefix(&texts, cut, None);
        let features = model.text.suffix(stage, &texts, cut, None).into_data();
        assert_eq!(features, read, "{cut:?}");
    }
}

#[test]
fn token_that_nobody_reads_is_kept() {
    let (model, images, texts) = clip();
    for cut in [Cut::out_proj(BLOCKS - 1), Cut::block(BLOCKS)] {
        let stage = model.visual.prefix(images.clone(), cut, None);
        assert_eq!(stage.stream.dims(), [5, 1, 16]);
        let stage = model.text.prefix(&texts, cut, None);
        assert_eq!(stage.stream.dims(), [3, 1, 8]);
    }
}

#[test]
fn trainable_tensor_lies_in_front_of_the_cut() {
    let cut = |paths: &[&str]| {
        let paths: BTreeSet<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        Cut::of_vision(BLOCKS, &paths)
    };
    let cases = [
        (vec![], Some(Cut::block(3))),
        (vec!["text.blocks.0.attn.query.weight"], Some(Cut::block(3))),
        (vec!["visual.projection.weight"], Some(Cut::block(3))),
        (
            vec!["visual.blocks.2.attn.out_proj.adapter.lora_a"],
            Some(Cut::out_proj(2)),
        ),
        (
            vec![
                "visual.blocks.2.attn.out_proj.adapter.lora_a",
                "visual.blocks.1.mlp.fc1.adapter.lora_a",
            ],
            Some(Cut::out_proj(1)),
        ),
        (vec!["visual.blocks.1.norm2.gamma"], Some(Cut::out_proj(1))),
        (vec!["visual.blocks.1.norm1.gamma"], Some(Cut::block(1))),
        (vec!["visual.blocks.0.attn.key.weight"], Some(Cut::block(0))),
        (vec!["visual.class_token"], None),
        (vec!["visual.norm_pre.gamma"], None),
    ];
    for (paths, expected) in cases {
        assert_eq!(cut(&paths), expected, "{paths:?}");
    }
    let paths = BTreeSet::from(["text.token_embed".to_owned()]);
    assert_eq!(Cut::of_text(BLOCKS, &paths), None);
}
