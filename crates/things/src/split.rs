use dacapo_rng::Stream;

use crate::ThingsError;

/// Images for training and images for testing: two lists of indices, in the order of a
/// random permutation, that have every index exactly once together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    train: Vec<usize>,
    test: Vec<usize>,
}

impl Split {
    /// The part of the images that the researchers train on.
    pub const TRAIN_FRACTION: f64 = 0.8;

    /// Splits `0..len`: a permutation by Fisher and Yates (Durstenfeld's form, from the
    /// last element down) over `Stream::named(seed, "split")`, whose first
    /// `floor(train_fraction * len)` indices are for training.
    ///
    /// The sizes are those of the researchers. The lists are not: PyTorch's `random_split`
    /// draws from its own generator.
    ///
    /// # Errors
    /// [`ThingsError::Content`] if one of the lists would be empty.
    pub fn new(seed: u64, len: usize, train_fraction: f64) -> Result<Self, ThingsError> {
        let count = (train_fraction * len as f64) as usize;
        // No number, and one below zero, gives a count of 0.
        if count == 0 || count >= len {
            return Err(ThingsError::Content {
                origin: "split".to_owned(),
                expected: "images for training and images for testing".to_owned(),
                found: format!("a fraction of {train_fraction} of {len} images for training"),
                advice: "Give a fraction between 0 and 1, such as 0.8, and enough images",
            });
        }
        let mut draws = Stream::named(seed, "split");
        let mut train: Vec<usize> = (0..len).collect();
        for last in (1..len).rev() {
            // At most `last`.
            let chosen = draws.below(last as u64 + 1) as usize;
            train.swap(last, chosen);
        }
        let test = train.split_off(count);
        Ok(Self { train, test })
    }

    /// The split that these two lists are.
    ///
    /// # Errors
    /// [`ThingsError::Content`] if one of them is empty, or if they do not have every index of
    /// `0..len` exactly once together.
    pub fn of(train: Vec<usize>, test: Vec<usize>, len: usize) -> Result<Self, ThingsError> {
        let refuse = |found: String| {
            Err(ThingsError::Content {
                origin: "split".to_owned(),
                expected: format!("every image of 0..{len} once, for training or for testing"),
                found,
                advice: "Give the split that belongs to this table of targets",
            })
        };
        if train.is_empty() || test.is_empty() {
            let (train, test) = (train.len(), test.len());
            return refuse(format!(
                "{train} images for training and {test} for testing"
            ));
        }
        let mut seen = vec![false; len];
        for index in train.iter().chain(&test) {
            match seen.get_mut(*index) {
                Some(seen) if !*seen => *seen = true,
                Some(_) => return refuse(format!("the image {index} twice")),
                None => return refuse(format!("the image {index}")),
            }
        }
        match seen.iter().position(|seen| !seen) {
            Some(index) => refuse(format!("no image {index}")),
            None => Ok(Self { train, test }),
        }
    }

    /// The indices of the images for training.
    pub fn train(&self) -> &[usize] {
        &self.train
    }

    /// The indices of the images for testing.
    pub fn test(&self) -> &[usize] {
        &self.test
    }
}
