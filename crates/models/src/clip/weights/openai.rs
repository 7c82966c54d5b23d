//! The names of OpenAI's `clip/model.py`.

use super::tensor_rule::{Take, TensorRule};
use crate::{ClipConfig, TowerConfig};

pub(super) const CLASS_TOKEN: &str = "visual.class_embedding";

pub(super) fn rules(config: &ClipConfig) -> Vec<TensorRule> {
    let ClipConfig {
        vision,
        text,
        patch_size: patch,
        d_embed,
        ..
    } = config;
    let mut rules = vec![TensorRule::all("logit_scale", &[1], "logit_scale", &[])];

    let (d, tokens) = (vision.d_model, 1 + config.patches());
    rules.push(TensorRule {
        source_shape: vec![d, 3, *patch, *patch],
        ..TensorRule::turned(
            "visual.patch_embed.weight".into(),
            [3 * patch * patch, d],
            "visual.conv1.weight".into(),
        )
    });
    rules.push(TensorRule::all(
        "visual.class_token",
        &[1, 1, d],
        CLASS_TOKEN,
        &[d],
    ));
    rules.push(TensorRule::all(
        "visual.positions",
        &[1, tokens, d],
        "visual.positional_embedding",
        &[tokens, d],
    ));
    rules.extend(TensorRule::norm("visual.norm_pre", d, "visual.ln_pre"));
    rules.extend(blocks(vision, "visual", "visual.transformer"));
    rules.extend(TensorRule::norm("visual.norm_post", d, "visual.ln_post"));
    // Parameters of their own, not linear layers: [in, out] as here.
    let projection = [d, *d_embed];
    rules.push(TensorRule::all(
        "visual.projection.weight",
        &projection,
        "visual.proj",
        &projection,
    ));

    let (d, context) = (text.d_model, config.context);
    let tokens = [config.vocabulary, d];
    rules.push(TensorRule::all(
        "text.token_embed",
        &tokens,
        "token_embedding.weight",
        &tokens,
    ));
    rules.push(TensorRule::all(
        "text.positions",
        &[1, context, d],
        "positional_embedding",
        &[context, d],
    ));
    rules.extend(blocks(text, "text", "transformer"));
    rules.extend(TensorRule::norm("text.norm", d, "ln_final"));
    let projection = [d, *d_embed];
    rules.push(TensorRule::all(
        "text.projection.weight",
        &projection,
        "text_projection",
        &projection,
    ));
    rules
}

fn blocks(tower: &TowerConfig, ours: &str, from: &str) -> Vec<TensorRule> {
    let (d, d_mlp) = (tower.d_model, tower.d_mlp);
    let mut rules = Vec::new();
    for block in 0..tower.blocks {
        let (ours, from) = (
            format!("{ours}.blocks.{block}"),
            format!("{from}.resblocks.{block}"),
        );
        for (part, name) in ["query", "key", "value"].into_iter().enumerate() {
            rules.push(TensorRule {
                ours: format!("{ours}.attn.{name}.weight"),
                shape: vec![d, d],
                source: format!("{from}.attn.in_proj_weight"),
                source_shape: vec![3 * d, d],
                take: Take::ThirdTurned(part),
            });
            rules.push(TensorRule {
                ours: format!("{ours}.attn.{name}.bias"),
                shape: vec![d],
                source: format!("{from}.attn.in_proj_bias"),
                source_shape: vec![3 * d],
                take: Take::Third(part),
            });
        }
        for (name, theirs, sizes) in [
            ("attn.out_proj", "attn.out_proj", [d, d]),
            ("mlp.fc1", "mlp.c_fc", [d, d_mlp]),
            ("mlp.fc2", "mlp.c_proj", [d_mlp, d]),
        ] {
            let (ours, from) = (format!("{ours}.{name}"), format!("{from}.{theirs}"));
            rules.extend(TensorRule::linear(&ours, sizes, &from));
        }
        for (name, theirs) in [("norm1", "ln_1"), ("norm2", "ln_2")] {
            let (ours, from) = (format!("{ours}.{name}"), format!("{from}.{theirs}"));
            rules.extend(TensorRule::norm(&ours, d, &from));
        }
    }
    rules
}
