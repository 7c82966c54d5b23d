//! The names of `transformers.CLIPModel`.

use super::tensor_rule::TensorRule;
use crate::{ClipConfig, TowerConfig};

pub(super) const CLASS_TOKEN: &str = "vision_model.embeddings.class_embedding";

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
    let from = "vision_model";
    let embeddings = format!("{from}.embeddings");
    rules.push(TensorRule {
        source_shape: vec![d, 3, *patch, *patch],
        ..TensorRule::turned(
            "visual.patch_embed.weight".into(),
            [3 * patch * patch, d],
            format!("{embeddings}.patch_embedding.weight"),
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
        format!("{embeddings}.position_embedding.weight"),
        &[tokens, d],
    ));
    // The spelling is theirs.
    let pre = format!("{from}.pre_layrnorm");
    rules.extend(TensorRule::norm("visual.norm_pre", d, &pre));
    rules.extend(blocks(vision, "visual", from));
    let post = format!("{from}.post_layernorm");
    rules.extend(TensorRule::norm("visual.norm_post", d, &post));
    rules.push(TensorRule::turned(
        "visual.projection.weight".into(),
        [d, *d_embed],
        "visual_projection.weight".into(),
    ));

    let (d, context) = (text.d_model, config.context);
    let from = "text_model";
    let tokens = [config.vocabulary, d];
    rules.push(TensorRule::all(
        "text.token_embed",
        &tokens,
        format!("{from}.embeddings.token_embedding.weight"),
        &tokens,
    ));
    rules.push(TensorRule::all(
        "text.positions",
        &[1, context, d],
        format!("{from}.embeddings.position_embedding.weight"),
        &[context, d],
    ));
    rules.extend(blocks(text, "text", from));
    let norm = format!("{from}.final_layer_norm");
    rules.extend(TensorRule::norm("text.norm", d, &norm));
    rules.push(TensorRule::turned(
        "text.projection.weight".into(),
        [d, *d_embed],
        "text_projection.weight".into(),
    ));
    rules
}

fn blocks(tower: &TowerConfig, ours: &str, from: &str) -> Vec<TensorRule> {
    let (d, d_mlp) = (tower.d_model, tower.d_mlp);
    let mut rules = Vec::new();
    for block in 0..tower.blocks {
        let (ours, from) = (
            format!("{ours}.blocks.{block}"),
            format!("{from}.encoder.layers.{block}"),
        );
        for (name, theirs, sizes) in [
            ("attn.query", "self_attn.q_proj", [d, d]),
            ("attn.key", "self_attn.k_proj", [d, d]),
            ("attn.value", "self_attn.v_proj", [d, d]),
            ("attn.out_proj", "self_attn.out_proj", [d, d]),
            ("mlp.fc1", "mlp.fc1", [d, d_mlp]),
            ("mlp.fc2", "mlp.fc2", [d_mlp, d]),
        ] {
            let (ours, from) = (format!("{ours}.{name}"), format!("{from}.{theirs}"));
            rules.extend(TensorRule::linear(&ours, sizes, &from));
        }
        for (name, theirs) in [("norm1", "layer_norm1"), ("norm2", "layer_norm2")] {
            let (ours, from) = (format!("{ours}.{name}"), format!("{from}.{theirs}"));
            rules.extend(TensorRule::norm(&ours, d, &from));
        }
    }
    rules
}
