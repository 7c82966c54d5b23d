//! Checks that the model configurations share.

use crate::ModelsError;

/// No size of a model is larger.
const MOST: usize = 1 << 20;

/// At least one of something, and not more than a model can have.
pub(crate) fn positive(key: &'static str, found: usize) -> Result<(), ModelsError> {
    require(found > 0, key, "at least 1", found)?;
    // No product of three sizes overflows.
    require(found <= MOST, key, format!("at most {MOST}"), found)
}

/// A probability that leaves something over.
pub(crate) fn dropout(key: &'static str, found: f64) -> Result<(), ModelsError> {
    // A NaN is in no range.
    let usable = (0.0..1.0).contains(&found);
    require(usable, key, "at least 0 and below 1", found)
}

/// That patches cover an image.
pub(crate) fn patches(image_size: usize, patch_size: usize) -> Result<(), ModelsError> {
    positive("image_size", image_size)?;
    positive("patch_size", patch_size)?;
    require(
        image_size.is_multiple_of(patch_size),
        "patch_size",
        format!("a divisor of image_size = {image_size}"),
        patch_size,
    )
}

/// The sizes of a transformer.
pub(crate) fn transformer(
    d_model: usize,
    blocks: usize,
    heads: usize,
    d_mlp: usize,
) -> Result<(), ModelsError> {
    positive("d_model", d_model)?;
    positive("blocks", blocks)?;
    positive("heads", heads)?;
    require(
        d_model.is_multiple_of(heads),
        "heads",
        format!("a divisor of d_model = {d_model}"),
        heads,
    )?;
    positive("d_mlp", d_mlp)
}

/// `holds`, or the error that says what was expected of `key`.
pub(crate) fn require(
    holds: bool,
    key: &'static str,
    expected: impl Into<String>,
    found: impl ToString,
) -> Result<(), ModelsError> {
    if holds {
        return Ok(());
    }
    Err(ModelsError::Config {
        key,
        expected: expected.into(),
        found: found.to_string(),
    })
}
