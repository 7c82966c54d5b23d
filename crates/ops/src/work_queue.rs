/// Where a thread's work for a GPU is queued: CubeCL gives every thread a queue (a stream) of
/// its own.
///
/// A tensor can be read in any queue, but in another than the one that made it, the two wait for
/// each other: on an H100, copying 88 MB of a ViT-L/14's state to the host held the training up
/// by 31 to 43 ms from another queue, by 1 to 13 ms from its own (benches/RESULTS.md).
#[derive(Clone, Copy, Debug)]
pub struct WorkQueue(#[cfg(feature = "cube")] cubecl::stream_id::StreamId);

impl WorkQueue {
    /// The calling thread's.
    pub fn of_this_thread() -> Self {
        Self(
            #[cfg(feature = "cube")]
            cubecl::stream_id::StreamId::current(),
        )
    }

    /// Does `work` on the calling thread; what it asks of a GPU is queued here.
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "cube")]
        return self.0.executes(work);
        #[cfg(not(feature = "cube"))]
        work()
    }
}
