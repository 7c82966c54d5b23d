/// A text out of a file, for a message: escaped, so that no terminal obeys it, and not of
/// any length.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let mut chars = text.chars();
    let mut out: String = chars
        .by_ref()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if chars.next().is_some() {
        out.push_str("..");
    }
    out
}
