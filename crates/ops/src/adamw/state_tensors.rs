/// What a step changes, as a backend stores its tensors.
#[derive(Clone, Debug)]
pub(crate) struct StateTensors<T> {
    pub(crate) param: T,
    pub(crate) exp_avg: T,
    pub(crate) exp_avg_sq: T,
    pub(crate) max_exp_avg_sq: Option<T>,
}

impl<T> StateTensors<T> {
    pub(crate) fn map<U>(self, f: impl Fn(T) -> U) -> StateTensors<U> {
        StateTensors {
            param: f(self.param),
            exp_avg: f(self.exp_avg),
            exp_avg_sq: f(self.exp_avg_sq),
            max_exp_avg_sq: self.max_exp_avg_sq.map(f),
        }
    }

    #[cfg(feature = "cube")]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        [&self.param, &self.exp_avg, &self.exp_avg_sq]
            .into_iter()
            .chain(&self.max_exp_avg_sq)
    }
}
