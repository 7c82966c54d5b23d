use super::names::{Attention, Names};
use super::tensor_rule::{Take, TensorRule};
use crate::{ClipConfig, TowerConfig};

/// Where each tensor of a [`Clip`](crate::Clip) comes from.
pub(super) fn rules(names: &Names, config: &ClipConfig) -> Vec<TensorRule> {
    let ClipConfig {
        vision,
        text,
        patch_size: patch,
        d_embed,
        ..
    } = config;
    let projection = |ours: &str, d: usize, source: &str| match names.projections_turned {
        true => TensorRule::turned(ours.to_owned(), [d, *d_embed], source.to_owned()),
        false => TensorRule::all(ours, &[d, *d_embed], source, &[d, *d_embed]),
    };
    let mut rules = vec![TensorRule::all("logit_scale", &[1], "logit_scale", &[])];

    let (d, tokens) = (vision.d_model, 1 + config.patches());
    rules.push(TensorRule {
        source_shape: vec![d, 3, *patch, *patch],
        ..TensorRule::turned(
            "visual.patch_embed.weight".into(),
            [3 * patch * patch, d],
            names.patch_embed.into(),
        )
    });
    rules.push(TensorRule::all(
        "visual.class_token",
        &[1, 1, d],
        names.class_token,
        &[d],
    ));
    rules.push(TensorRule::all(
        "visual.positions",
        &[1, tokens, d],
        names.positions,
        &[tokens, d],
    ));
    rules.extend(TensorRule::norm("visual.norm_pre", d, names.norm_pre));
    rules.extend(blocks(names, vision, "visual", names.blocks));
    rules.extend(TensorRule::norm("visual.norm_post", d, names.norm_post));
    rules.push(projection("visual.projection.weight", d, names.projection));

    let (d, context, tokens) = (text.d_model, config.context, config.vocabulary);
    rules.push(TensorRule::all(
        "text.token_embed",
        &[tokens, d],
        names.token_embed,
        &[tokens, d],
    ));
    rules.push(TensorRule::all(
        "text.positions",
        &[1, context, d],
        names.text_positions,
        &[context, d],
    ));
    rules.extend(blocks(names, text, "text", names.text_blocks));
    rules.extend(TensorRule::norm("text.norm", d, names.text_norm));
    rules.push(projection(
        "text.projection.weight",
        d,
        names.text_projection,
    ));
    rules
}

fn blocks(names: &Names, tower: &TowerConfig, ours: &str, from: &str) -> Vec<TensorRule> {
    let (d, d_mlp) = (tower.d_model, tower.d_mlp);
    let mut rules = Vec::new();
    for block in 0..tower.blocks {
        let (ours, from) = (format!("{ours}.blocks.{block}"), format!("{from}.{block}"));
        for (part, name) in ["query", "key", "value"].into_iter().enumerate() {
            let ours = format!("{ours}.attn.{name}");
            match names.attention {
                Attention::Apart(theirs) => {
                    let from = format!("{from}.{}", theirs[part]);
                    rules.extend(TensorRule::linear(&ours, [d, d], &from));
                }
                Attention::Joined(theirs) => rules.extend([
                    TensorRule {
                        ours: format!("{ours}.weight"),
                        shape: vec![d, d],
                        source: format!("{from}.{theirs}_weight"),
                        source_shape: vec![3 * d, d],
                        take: Take::ThirdTurned(part),
                    },
                    TensorRule {
                        ours: format!("{ours}.bias"),
                        shape: vec![d],
                        source: format!("{from}.{theirs}_bias"),
                        source_shape: vec![3 * d],
                        take: Take::Third(part),
                    },
                ]),
            }
        }
        for (name, theirs, sizes) in [
            ("attn.out_proj", names.out_proj, [d, d]),
            ("mlp.fc1", names.fc1, [d, d_mlp]),
            ("mlp.fc2", names.fc2, [d_mlp, d]),
        ] {
            let (ours, from) = (format!("{ours}.{name}"), format!("{from}.{theirs}"));
            rules.extend(TensorRule::linear(&ours, sizes, &from));
        }
        for (name, theirs) in [("norm1", names.norm1), ("norm2", names.norm2)] {
            let (ours, from) = (format!("{ours}.{name}"), format!("{from}.{theirs}"));
            rules.extend(TensorRule::norm(&ours, d, &from));
        }
    }
    rules
}
