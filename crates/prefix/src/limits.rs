/// How many bytes of a set's rows may be kept where. The first place that is large enough is
/// taken: the device, the host, a file if there is a folder for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In the device's memory.
    pub device: u64,
    /// In the host's memory.
    pub host: u64,
}
