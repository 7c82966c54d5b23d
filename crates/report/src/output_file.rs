/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// Its name, of lower-case letters, digits, `-`, `_` and one `.`, whatever the data is called.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}
