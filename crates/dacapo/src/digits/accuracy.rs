use serde::Serialize;
use serde_json::json;

use crate::job::Verdict;

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

/// Test accuracy before the first step and of the best epoch. `seen`: whether the base has
/// seen some classes.
pub(super) fn verdict(before: Accuracy, after: Accuracy, seen: bool) -> Verdict {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut text = format!(
        "  test     {} -> {} right of {} images kept out of all training\n",
        percent(before.overall()),
        percent(after.overall()),
        after.total
    );
    if let (Some(b), Some(a), true) = (before.unseen(), after.unseen(), seen) {
        text.push_str(&format!(
            "           {} -> {} on the {} images of classes that the base had never seen\n",
            percent(b),
            percent(a),
            after.unseen_total
        ));
    }
    let part = |accuracy: Accuracy| {
        json!({
            "counts": accuracy,
            "accuracy": accuracy.overall(),
            "accuracy_unseen_classes": accuracy.unseen(),
        })
    };
    Verdict {
        text,
        json: json!({ "before": part(before), "after": part(after) }),
    }
}
