use std::path::Path;

use burn::{
    record::{FullPrecisionSettings, NamedMpkBytesRecorder, Record, Recorder},
    tensor::backend::Backend,
};
use dacapo_record::Tree;
use serde::{Deserialize, Serialize, de::DeserializeOwned, de::IgnoredAny};

use crate::TrainerError;

const INCOMPLETE: &str = "Use another checkpoint of this run: this one is not complete, or \
    another version of dacapo made it";

/// Burn's wrapping of a record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<R> {
    #[serde(rename = "metadata")]
    _metadata: IgnoredAny,
    item: R,
    #[serde(rename = "_b")]
    _backend: IgnoredAny,
}

/// A record as the bytes that Burn's `NamedMpkFileRecorder` writes.
///
/// # Errors
/// Burn's recorder refusing it.
pub fn to_payload<B: Backend, R: Record<B>>(record: R) -> Result<Vec<u8>, TrainerError> {
    let recorder = NamedMpkBytesRecorder::<FullPrecisionSettings>::default();
    recorder.record(record, ()).map_err(|error| {
        TrainerError::state(
            "record",
            "a record that can be serialised",
            error,
            "This is a defect of dacapo: please report it",
        )
    })
}

/// Reads a record whose item is plain serde data, such as [`TrainerRecord`](crate::TrainerRecord).
///
/// # Errors
/// Names the first leaf that is missing, unexpected, doubled or of the wrong type.
pub fn from_payload<R: Serialize + DeserializeOwned>(
    file: &Path,
    payload: &[u8],
) -> Result<R, TrainerError> {
    // The tree refuses what serde would let pass: doubled keys, trailing bytes, tensors
    // whose bytes do not fill their shape.
    let tree = payload_tree(file, payload)?;
    let mut reader = rmp_serde::Deserializer::from_read_ref(payload);
    let wrapped: Wrapped<R> = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let parent = error.path().to_string();
        let message = error.inner().to_string();
        let (path, found) = if let Some(field) = quoted(&message, "missing field `") {
            (join(&parent, field), "nothing")
        } else if let Some(field) = quoted(&message, "unknown field `") {
            // The path leads into an unknown field, unless its map was read whole.
            let path = match parent.rsplit('.').next() == Some(field) {
                true => parent,
                false => join(&parent, field),
            };
            (path, "an unknown field")
        } else {
            (parent, message.as_str())
        };
        TrainerError::state(
            path.strip_prefix("item.").unwrap_or(&path),
            "a complete record",
            format!("{found} in {}", file.display()),
            INCOMPLETE,
        )
    })?;
    check_nothing_filled_in(file, &tree, &wrapped.item)?;
    Ok(wrapped.item)
}

/// Refuses a record that holds other leaves than its payload. Serde fills in an absent
/// `Option` or a field with a default, and widens numbers, without a word.
fn check_nothing_filled_in<R: Serialize>(
    file: &Path,
    payload: &Tree,
    record: &R,
) -> Result<(), TrainerError> {
    let refuse = |path: &str, expected: String, found: String| {
        TrainerError::state(
            path,
            expected,
            format!("{found} in {}", file.display()),
            INCOMPLETE,
        )
    };
    let written = rmp_serde::to_vec_named(record)
        .map_err(|error| refuse("record", "a record".to_owned(), error.to_string()))?;
    let written = Tree::parse(file, &written)?;
    let diff = payload.diff(&written, &[]);
    if let Some(path) = diff.only_right.first() {
        return Err(refuse(
            path,
            "a complete record".to_owned(),
            "nothing".to_owned(),
        ));
    }
    if let Some(path) = diff.only_left.first() {
        let found = "an unknown field".to_owned();
        return Err(refuse(path, "a complete record".to_owned(), found));
    }
    match diff.differing.first() {
        Some(leaf) => Err(refuse(&leaf.path, leaf.right.clone(), leaf.left.clone())),
        None => Ok(()),
    }
}

/// The record's leaves, without Burn's wrapping.
///
/// # Errors
/// A payload that is no record: see [`Tree::parse`].
pub fn payload_tree(file: &Path, payload: &[u8]) -> Result<Tree, TrainerError> {
    Ok(Tree::parse(file, payload)?.subtree("item"))
}

fn join(parent: &str, field: &str) -> String {
    match parent {
        "." | "" => field.to_owned(),
        parent => format!("{parent}.{field}"),
    }
}

fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = &message[message.find(prefix)? + prefix.len()..];
    rest.split('`').next()
}
