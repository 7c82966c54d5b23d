use serde::Serialize;

/// How many images were classified rightly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Accuracy {
    /// Rightly classified images.
    pub correct: u64,
    /// All images.
    pub total: u64,
    /// Rightly classified images of classes that the base has never seen.
    pub unseen_correct: u64,
    /// All images of such classes.
    pub unseen_total: u64,
}

impl Accuracy {
    pub(crate) fn count(&mut self, correct: bool, unseen: bool) {
        self.correct += u64::from(correct);
        self.total += 1;
        self.unseen_correct += u64::from(correct && unseen);
        self.unseen_total += u64::from(unseen);
    }

    /// Share of all images, from 0 to 1.
    pub fn overall(&self) -> f64 {
        self.correct as f64 / self.total as f64
    }

    /// Share of the unseen classes' images; `None` when the base has seen every class.
    pub fn unseen(&self) -> Option<f64> {
        (self.unseen_total > 0).then(|| self.unseen_correct as f64 / self.unseen_total as f64)
    }
}
