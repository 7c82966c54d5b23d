/// Samples of a set.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// The set's name, which is part of a file's: a hash of its samples.
    pub set: &'a str,
    /// How many samples the set has.
    pub len: usize,
    /// Which of them.
    pub indices: &'a [usize],
}
