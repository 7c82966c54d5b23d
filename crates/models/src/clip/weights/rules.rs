use super::names::Names;
use crate::weights::TensorRule;
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
    let block = |block: usize| {
        let (ours, from) = (format!("{ours}.blocks.{block}"), format!("{from}.{block}"));
        names
            .block
            .rules([tower.d_model, tower.d_mlp], &ours, &from)
    };
    (0..tower.blocks).flat_map(block).collect()
}
