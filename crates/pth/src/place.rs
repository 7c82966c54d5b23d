//! The way to a value, as messages tell it: `optimizer_state_dict.state[3].exp_avg`.

use std::borrow::Cow;

use crate::Key;

/// The way to the value of `key` in the dict at `parent`, which is empty for the file's value.
pub(crate) fn of_key(parent: &str, key: &Key) -> String {
    match key {
        Key::Str(name) if is_word(name) && parent.is_empty() => name.to_string(),
        Key::Str(name) if is_word(name) => format!("{parent}.{name}"),
        _ => format!("{parent}[{key}]"),
    }
}

/// The way to an item of the list or tuple at `parent`.
pub(crate) fn of_index(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// For a message: the file's value has no way.
pub(crate) fn name(place: &str) -> String {
    if place.is_empty() {
        return "the file's value".to_owned();
    }
    place.to_owned()
}

/// For a message: the beginning of a text of any length.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}..", &text[..end])),
    }
}

fn is_word(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(inner)
}
