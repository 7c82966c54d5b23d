/// A text out of a file, for a message: without what a terminal obeys, and not of any length.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let mut chars = text.chars();
    let mut out = String::new();
    for char in chars.by_ref().take(MOST) {
        match char {
            // Of JSON and patterns, which are to be read as they stand in the file.
            '"' | '\'' | '\\' => out.push(char),
            char => out.extend(char.escape_debug()),
        }
    }
    if chars.next().is_some() {
        out.push_str("..");
    }
    out
}
