/// The tensors of a merge as a backend stores them, shaped as in
/// [`MergeInputs`](super::MergeInputs).
#[derive(Clone, Debug)]
pub(crate) struct MergeTensors<T> {
    pub(crate) weight: T,
    pub(crate) lora_a: T,
    pub(crate) lora_b: T,
    pub(crate) magnitude: T,
}

impl<T> MergeTensors<T> {
    pub(crate) fn map<U>(self, f: impl Fn(T) -> U) -> MergeTensors<U> {
        MergeTensors {
            weight: f(self.weight),
            lora_a: f(self.lora_a),
            lora_b: f(self.lora_b),
            magnitude: f(self.magnitude),
        }
    }
}
