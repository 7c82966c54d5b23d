/// How an operation goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and an error is reported.
    Fail,
    /// A write stops half way, anything else happens in full, and an error is reported.
    Tear,
    /// Nothing happens (a written file stays empty), and success is reported.
    Drop,
    /// A write stops half way, and success is reported. Other operations work.
    TearSilently,
    /// The disk is full from here on: writes stop half way with an error, new folders fail.
    Full,
    /// Nothing happens, here and after: the process was killed or the power is gone.
    Die,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Fail,
        Self::Tear,
        Self::Drop,
        Self::TearSilently,
        Self::Full,
        Self::Die,
    ];
}
