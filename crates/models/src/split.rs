use std::collections::{BTreeMap, BTreeSet};

use dacapo_rng::epoch_permutation;

use crate::ModelsError;

/// Names the random streams of a split; part of the value, so never changed.
const STREAM: &str = "dacapo-models/split";

/// Which examples train, validate and test: three disjoint, ascending lists of
/// indices into one data set.
///
/// A split has its own seed, apart from the seed of a run: runs with different
/// seeds share one test set, and a base that was pretrained on some classes
/// has not seen the test images of the run that adapts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Indices of the examples to train on.
    pub train: Vec<usize>,
    /// Indices of the examples that decide when to stop.
    pub valid: Vec<usize>,
    /// Indices of the examples held out for the final figure.
    pub test: Vec<usize>,
}

impl Split {
    /// Splits class by class, so that every part has the classes in the same
    /// proportion.
    ///
    /// The examples of class `c` (ascending) are permuted by the random stream
    /// `(split_seed, c)`; the first `test_fraction` of them (rounded to the
    /// nearest whole number, halves up) are tested on, the next
    /// `valid_fraction` validate, the rest train. A class's part depends on
    /// that class's examples alone.
    ///
    /// # Errors
    /// [`ModelsError::Fraction`] unless both fractions are in `[0, 1)` and
    /// their sum is below 1; [`ModelsError::EmptyPart`] if a class is left
    /// without an example to train on, or a part with a fraction above 0
    /// without any.
    pub fn stratified(
        labels: &[u8],
        split_seed: u64,
        valid_fraction: f64,
        test_fraction: f64,
    ) -> Result<Self, ModelsError> {
        check_fraction("valid_fraction", valid_fraction)?;
        check_fraction("test_fraction", test_fraction)?;
        let key = "valid_fraction + test_fraction";
        check_fraction(key, valid_fraction + test_fraction)?;

        let mut classes: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for (index, &label) in labels.iter().enumerate() {
            classes.entry(label).or_default().push(index);
        }
        let mut split = Self {
            train: Vec::new(),
            valid: Vec::new(),
            test: Vec::new(),
        };
        for (&class, members) in &classes {
            let order = epoch_permutation(split_seed, STREAM, u64::from(class), members.len());
            let tested = share(members.len(), test_fraction);
            let validated = share(members.len(), valid_fraction);
            if tested + validated >= members.len() {
                return Err(ModelsError::EmptyPart {
                    part: "train",
                    found: format!(
                        "class {class} has {} examples, of which {tested} test and {validated} \
                         validate",
                        members.len()
                    ),
                });
            }
            let (test, rest) = order.split_at(tested);
            let (valid, train) = rest.split_at(validated);
            split.test.extend(test.iter().map(|&at| members[at]));
            split.valid.extend(valid.iter().map(|&at| members[at]));
            split.train.extend(train.iter().map(|&at| members[at]));
        }
        split.train.sort_unstable();
        split.valid.sort_unstable();
        split.test.sort_unstable();

        let needed = [
            ("train", &split.train, true),
            ("valid", &split.valid, valid_fraction > 0.0),
            ("test", &split.test, test_fraction > 0.0),
        ];
        for (part, indices, wanted) in needed {
            if wanted && indices.is_empty() {
                return Err(ModelsError::EmptyPart {
                    part,
                    found: format!("{} examples were to be split", labels.len()),
                });
            }
        }
        Ok(split)
    }

    /// The examples of `classes`, each in the part where it was. `labels` are
    /// those that the split was made from.
    ///
    /// # Errors
    /// [`ModelsError::NoSuchClass`] for a class that `labels` do not hold,
    /// [`ModelsError::EmptyPart`] if no class is given,
    /// [`ModelsError::NoSuchExample`] if `labels` are too few for this split.
    pub fn filter_classes(&self, labels: &[u8], classes: &[u8]) -> Result<Self, ModelsError> {
        let asked: BTreeSet<u8> = classes.iter().copied().collect();
        let present: BTreeSet<u8> = labels.iter().copied().collect();
        if !asked.is_subset(&present) {
            return Err(ModelsError::NoSuchClass {
                asked: asked.difference(&present).copied().collect(),
                present,
            });
        }
        let keep = |indices: &[usize]| -> Result<Vec<usize>, ModelsError> {
            let mut kept = Vec::new();
            for &index in indices {
                let label = labels.get(index).ok_or(ModelsError::NoSuchExample {
                    index,
                    len: labels.len(),
                })?;
                if asked.contains(label) {
                    kept.push(index);
                }
            }
            Ok(kept)
        };
        let filtered = Self {
            train: keep(&self.train)?,
            valid: keep(&self.valid)?,
            test: keep(&self.test)?,
        };
        if filtered.train.is_empty() {
            return Err(ModelsError::EmptyPart {
                part: "train",
                found: format!("no example to train on has a class among {asked:?}"),
            });
        }
        Ok(filtered)
    }
}

fn check_fraction(key: &'static str, found: f64) -> Result<(), ModelsError> {
    // A NaN is in no range.
    if (0.0..1.0).contains(&found) {
        return Ok(());
    }
    Err(ModelsError::Fraction {
        key,
        expected: "at least 0 and below 1",
        found,
    })
}

/// `fraction` of `len`, rounded to the nearest whole number, halves up.
fn share(len: usize, fraction: f64) -> usize {
    (len as f64 * fraction + 0.5).floor() as usize
}
