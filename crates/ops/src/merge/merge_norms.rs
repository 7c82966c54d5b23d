/// The norms of a merge, `[out]` each, f32.
#[derive(Clone, Debug)]
pub(crate) struct MergeNorms<T> {
    /// n = ‖V‖.
    pub(crate) norm: T,
    /// ‖W‖, of a normalised base.
    pub(crate) base: Option<T>,
}

impl<T> MergeNorms<T> {
    pub(crate) fn map<U>(self, f: impl Fn(T) -> U) -> MergeNorms<U> {
        MergeNorms {
            norm: f(self.norm),
            base: self.base.map(f),
        }
    }
}
