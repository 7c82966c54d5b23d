use std::path::PathBuf;

/// Where what a model computes before its first trainable tensor is kept from step to step. No bit
/// depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixKeeping {
    /// Whether it is kept at all.
    pub keep: bool,
    /// Bytes of a set of samples that the host's memory has room for, where the device's has not.
    pub host: u64,
    /// A folder to keep it in, too, for other runs and for sets that no memory has room for.
    pub folder: Option<PathBuf>,
}
