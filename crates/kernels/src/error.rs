/// What a launch refuses before anything runs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A dropout rate that is no probability below 1.
    #[error("{kernel}: dropout rate: expected 0 <= rate < 1, found {rate}. Correct the rate")]
    Rate {
        /// The kernel that refused.
        kernel: &'static str,
        /// The rate found.
        rate: f64,
    },

    /// A tensor longer than the kernel can index.
    #[error("{kernel}: {what}: expected at most {limit} {unit}, found {len}. Split the tensor")]
    TooLong {
        /// The kernel that refused.
        kernel: &'static str,
        /// The argument.
        what: &'static str,
        /// The most it takes.
        limit: u64,
        /// The length found.
        len: u64,
        /// What `limit` and `len` count.
        unit: &'static str,
    },

    /// A handle that holds fewer bytes than its stated length needs.
    #[error(
        "{kernel}: {what}: expected at least {expected} bytes, found a buffer of {found}. \
         Pass the length of the buffer that was allocated"
    )]
    TooShort {
        /// The kernel that refused.
        kernel: &'static str,
        /// The argument.
        what: &'static str,
        /// The bytes that the length needs.
        expected: u64,
        /// The bytes of the handle.
        found: u64,
    },

    /// A handle that does not start at a multiple of its element's size.
    #[error(
        "{kernel}: {what}: expected an offset that is a multiple of {expected} bytes, found \
         {found}. Copy the view into a buffer of its own"
    )]
    Misaligned {
        /// The kernel that refused.
        kernel: &'static str,
        /// The argument.
        what: &'static str,
        /// The alignment needed.
        expected: u64,
        /// The offset found.
        found: u64,
    },

    /// Rows that are no whole words, which is what a kernel moves.
    #[error(
        "{kernel}: {what}: expected a multiple of {word} bytes, found {found}. Use the backend's own \
         operations"
    )]
    PartialWord {
        /// The kernel that refused.
        kernel: &'static str,
        /// The argument.
        what: &'static str,
        /// Bytes of a word.
        word: u64,
        /// The bytes found.
        found: u64,
    },

    /// An index of something that is not there.
    #[error("{kernel}: {what}: expected an index below {limit}, found {found}. Correct the index")]
    OutOfRange {
        /// The kernel that refused.
        kernel: &'static str,
        /// The argument.
        what: &'static str,
        /// How many there are.
        limit: u64,
        /// The index found.
        found: u64,
    },

    /// A result could not be copied from the device.
    #[error(
        "{kernel}: the result could not be read back: {reason}. The device or its memory failed"
    )]
    Read {
        /// The kernel whose result it is.
        kernel: &'static str,
        /// What the runtime said.
        reason: String,
    },
}
