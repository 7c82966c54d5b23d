use std::error::Error;

/// Why a message did not reach the other processes of a run, or theirs this one.
pub type CommunicatorError = Box<dyn Error + Send + Sync>;

/// Carries messages between the processes that train one run together, its ranks.
///
/// All that training needs is one collective operation, so that an implementation is a few lines over
/// MPI, NCCL or threads. No bit of a run may depend on it: messages arrive whole and in the order of
/// the ranks, or not at all.
pub trait Communicator: Send + Sync {
    /// This process's number, below [`size`](Self::size).
    fn rank(&self) -> usize;

    /// How many processes there are.
    fn size(&self) -> usize;

    /// Hands `message` to every process and waits for theirs: one of each, its own included, by
    /// rank. Lengths may differ. Every process calls it equally often.
    ///
    /// # Errors
    /// A process that cannot be reached, or was waited for in vain. Nothing may be sent afterwards.
    fn all_gather(&self, message: &[u8]) -> Result<Vec<Vec<u8>>, CommunicatorError>;
}
