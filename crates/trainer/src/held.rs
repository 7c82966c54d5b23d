use std::ops::Deref;

/// A value that is replaced by what is made of it, without a copy of it: a model's takes as long as the
/// host's part of several of a GPU's kernels.
pub(crate) struct Held<T>(Option<T>);

impl<T> Held<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// What panics in `make` takes the value with it.
    pub(crate) fn replace(&mut self, make: impl FnOnce(T) -> T) {
        self.0 = self.0.take().map(make);
    }
}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
            .as_ref()
            .expect("nothing panicked while it was replaced")
    }
}
