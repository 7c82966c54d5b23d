//! CLIP's forward pass on a GPU against the host, part by part.
#![cfg(feature = "cuda")]

use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::tensor::{Tensor, TensorData, backend::AutodiffBackend};
use burn_flex::Flex;
use dacapo::models::{Activation, Clip, ClipConfig, Cut, Stage, TokenBatch, TowerConfig};
use dacapo::ops::Precision;
use dacapo::rng::RngHub;

type Parts = Vec<(&'static str, Vec<f32>)>;

fn parts<B: AutodiffBackend>(config: &ClipConfig, images: usize, precision: Precision) -> Parts {
    let device = Default::default();
    let mut hub = RngHub::new(7, &["init", "images"]);
    let model = Clip::<B>::init(config, hub.stream("init").unwrap(), &device).unwrap();
    let model = model.with_precision(precision);
    let inner = model.valid();
    let side = config.image_size;
    let stream = hub.stream("images").unwrap();
    let pixels = (0..images * 3 * side * side).map(|_| stream.uniform_f32() - 0.5);
    let pixels = TensorData::new(pixels.collect(), [images, 3, side, side]);
    let pixels = Tensor::<B::InnerBackend, 4>::from_data(pixels, &device);
    let texts = (0..66).map(|text| {
        let end = config.vocabulary as u32 - 1;
        let mut ids = vec![end - 1];
        ids.extend((0..2 + text % 7).map(|id| id + text));
        ids.push(end);
        ids
    });
    let texts = TokenBatch::new(texts.collect()).unwrap();

    let cut = Cut::out_proj(config.vision.blocks - 2);
    let stage = inner.visual.prefix(pixels, cut, None);
    let (stream, joined) = (stage.stream.clone(), stage.joined.clone().unwrap());
    let seen = model.visual.suffix(Stage::from_inner(stage), cut, None);
    let last = Cut::out_proj(config.text.blocks - 1);
    let stage = inner.text.prefix(&texts, last, None);
    let (text_stream, text_joined) = (stage.stream.clone(), stage.joined.clone().unwrap());
    let kept = stage.clone();
    let read = model
        .text
        .suffix(Stage::from_inner(stage), &texts, last, None);
    let again = model
        .text
        .suffix(Stage::from_inner(kept), &texts, last, None);
    let logits = model.logits(seen.clone(), read.clone());
    let three = |x: Tensor<B::InnerBackend, 3>| x.into_data().to_vec().unwrap();
    let two = |x: Tensor<B, 2>| x.into_data().to_vec().unwrap();
    vec![
        ("stream", three(stream)),
        ("joined", three(joined)),
        ("images", two(seen)),
        ("text stream", three(text_stream)),
        ("text joined", three(text_joined)),
        ("texts", two(read)),
        ("texts, again", two(again)),
        ("logits", two(logits)),
    ]
}

fn tower(d_model: usize, blocks: usize, heads: usize) -> TowerConfig {
    TowerConfig {
        d_model,
        blocks,
        heads,
        d_mlp: 4 * d_model,
    }
}

#[test]
fn forward_pass_differs_from_the_host() {
    let mut wrong = Vec::new();
    let cases = [
        (28, tower(64, 3, 4), tower(64, 2, 4), 64, 8),
        // Features whose cosines are a product in parts of k, of rows that fill no whole vectors.
        (42, tower(128, 3, 2), tower(96, 2, 3), 768, 64),
    ];
    for (image_size, vision, text, d_embed, images) in cases {
        let config = ClipConfig {
            image_size,
            patch_size: 14,
            vision,
            text,
            vocabulary: 594,
            context: 77,
            d_embed,
            activation: Activation::QuickGelu,
        };
        let wanted = parts::<Autodiff<Flex>>(&config, images, Precision::F32);
        for precision in Precision::ALL {
            let found = parts::<Autodiff<burn_cuda::Cuda>>(&config, images, precision);
            for ((name, found), (_, wanted)) in found.iter().zip(&wanted) {
                let most = wanted.iter().fold(0_f32, |most, x| most.max(x.abs()));
                let mut worst = 0_f32;
                for (found, wanted) in found.iter().zip(wanted) {
                    let error = (found - wanted).abs() / most;
                    worst = if error.is_nan() {
                        f32::INFINITY
                    } else {
                        worst.max(error)
                    };
                }
                let bound = match precision {
                    Precision::F32 => 1e-4,
                    Precision::Tf32 => 2e-2,
                    Precision::Bf16 => 1e-1,
                };
                println!("{image_size} {precision} {name}: {worst:.1e}");
                if worst > bound {
                    wrong.push(format!("{image_size} {precision} {name}: {worst:.1e}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
