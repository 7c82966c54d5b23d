/// Where the rows of a set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the device's memory.
    Device,
    /// In the host's memory, from where the rows of a batch are copied in every step.
    Host,
    /// In a file, from where the rows of a batch are read in every step.
    File,
    /// Nowhere: they are computed in every step.
    Nowhere,
}
