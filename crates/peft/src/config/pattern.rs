use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::PeftError;
use crate::shown::shown;

/// The most memory that one compiled pattern may take, in bytes, and that a key's may together.
const LARGEST: usize = 1 << 20;
const LARGEST_SET: usize = 1 << 25;

/// A pattern of the configuration as a regular expression, within what `wrap` puts around it.
/// All are written for Python's `re.match`, which starts at the beginning.
pub(super) fn compile(
    key: &'static str,
    pattern: &str,
    wrap: fn(&str) -> String,
) -> Result<Regex, PeftError> {
    let refuse = |found: String| PeftError::Pattern {
        key,
        pattern: shown(pattern),
        found,
    };
    if let Some(found) = otherwise_in_python(pattern) {
        return Err(refuse(found.to_owned()));
    }
    RegexBuilder::new(&at_start(pattern, wrap))
        .size_limit(LARGEST)
        .build()
        .map_err(|error| refuse(reason(&error)))
}

/// Several patterns, of which the first that matches can be asked for.
pub(super) fn compile_set<'a>(
    key: &'static str,
    patterns: impl Iterator<Item = &'a str> + Clone,
    wrap: fn(&str) -> String,
) -> Result<RegexSet, PeftError> {
    // One by one, to know which one is wrong.
    for pattern in patterns.clone() {
        compile(key, pattern, wrap)?;
    }
    RegexSetBuilder::new(patterns.clone().map(|pattern| at_start(pattern, wrap)))
        .size_limit(LARGEST_SET)
        .build()
        .map_err(|error| PeftError::Pattern {
            key,
            pattern: format!("{} patterns", patterns.count()),
            found: reason(&error),
        })
}

fn at_start(pattern: &str, wrap: fn(&str) -> String) -> String {
    format!(r"\A(?:{})", wrap(pattern))
}

/// The last line of a message that draws the pattern above it.
fn reason(error: &regex::Error) -> String {
    let message = error.to_string();
    let last = message.lines().last().unwrap_or_default();
    shown(last.trim_start_matches("error: "))
}

/// What both languages accept, but not as the same.
fn otherwise_in_python(pattern: &str) -> Option<&'static str> {
    let mut chars = pattern.chars().peekable();
    let mut in_set = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' => match (chars.next(), chars.peek()) {
                (Some('<' | '>'), _) | (Some('b'), Some('{')) => {
                    return Some("Python knows no such word boundary");
                }
                _ => {}
            },
            '[' if in_set => return Some("a set within a set"),
            '[' => {
                in_set = true;
                chars.next_if_eq(&'^');
                // As the first it stands for itself.
                chars.next_if_eq(&']');
            }
            ']' => in_set = false,
            '&' | '-' | '~' if in_set && chars.peek() == Some(&char) => {
                return Some("an operation on sets");
            }
            _ => {}
        }
    }
    None
}
