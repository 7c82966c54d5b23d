use std::collections::BTreeMap;

use crate::error::list;
use crate::{ALGORITHM, RngError, RngRecord, Stream, StreamRecord};

/// The registered streams of a run, all of one seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RngHub {
    seed: u64,
    streams: BTreeMap<String, Stream>,
}

impl RngHub {
    /// Registers the streams `names` of `seed`, each at position 0. The order
    /// of the names does not matter, and a name given twice is one stream.
    pub fn new(seed: u64, names: &[&str]) -> Self {
        let streams = names
            .iter()
            .map(|name| ((*name).to_owned(), Stream::named(seed, name)))
            .collect();
        Self { seed, streams }
    }

    /// The seed of every stream.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The registered names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.streams.keys().map(String::as_str)
    }

    /// The stream registered as `name`.
    ///
    /// # Errors
    ///
    /// [`RngError::UnknownStream`], which lists the registered names.
    pub fn stream(&mut self, name: &str) -> Result<&mut Stream, RngError> {
        if !self.streams.contains_key(name) {
            return Err(RngError::UnknownStream {
                name: name.to_owned(),
                known: list(self.names()),
            });
        }
        Ok(self.streams.get_mut(name).expect("looked up just above"))
    }

    /// The streams of this hub for one micro-batch, at position 0 each: what is drawn from them
    /// depends on step and micro-batch alone, and moves nothing here.
    pub fn of_micro_batch(&self, step: u64, micro_batch: u32) -> Self {
        let streams = self.streams.keys().map(|name| {
            let stream = Stream::of_micro_batch(self.seed, name, step, micro_batch);
            (name.clone(), stream)
        });
        Self {
            seed: self.seed,
            streams: streams.collect(),
        }
    }

    /// The state of every stream.
    pub fn to_record(&self) -> RngRecord {
        let streams = self
            .streams
            .iter()
            .map(|(name, stream)| {
                let record = StreamRecord {
                    key: stream.key_hex(),
                    position: stream.position(),
                };
                (name.clone(), record)
            })
            .collect();
        RngRecord {
            algorithm: ALGORITHM.to_owned(),
            seed: self.seed,
            streams,
        }
    }

    /// The hub that `record` describes: its next draws are those that the
    /// recorded hub would have made.
    ///
    /// # Errors
    ///
    /// [`RngError::Algorithm`] for a record of another generator,
    /// [`RngError::KeyMismatch`] if a stored key is not the one that the seed
    /// and the name give. Which streams there should be is the caller's
    /// knowledge: see [`RngHub::expect_streams`].
    pub fn from_record(record: &RngRecord) -> Result<Self, RngError> {
        if record.algorithm != ALGORITHM {
            return Err(RngError::Algorithm {
                expected: ALGORITHM,
                found: record.algorithm.clone(),
            });
        }
        let mut streams = BTreeMap::new();
        for (name, stored) in &record.streams {
            let mut stream = Stream::named(record.seed, name);
            let expected = stream.key_hex();
            if stored.key != expected {
                return Err(RngError::KeyMismatch {
                    stream: name.clone(),
                    seed: record.seed,
                    expected,
                    found: stored.key.clone(),
                });
            }
            stream.seek(stored.position);
            streams.insert(name.clone(), stream);
        }
        Ok(Self {
            seed: record.seed,
            streams,
        })
    }

    /// Checks that the hub holds exactly the streams `names`.
    ///
    /// # Errors
    ///
    /// [`RngError::MissingStream`] or [`RngError::UnexpectedStream`], for the
    /// first name in sorted order.
    pub fn expect_streams(&self, names: &[&str]) -> Result<(), RngError> {
        let mut expected = names.to_vec();
        expected.sort_unstable();
        expected.dedup();
        if let Some(missing) = expected
            .iter()
            .find(|name| !self.streams.contains_key(**name))
        {
            return Err(RngError::MissingStream {
                stream: (*missing).to_owned(),
                known: list(self.names()),
            });
        }
        if let Some(extra) = self
            .names()
            .find(|name| expected.binary_search(name).is_err())
        {
            return Err(RngError::UnexpectedStream {
                stream: extra.to_owned(),
                expected: list(expected.iter().copied()),
            });
        }
        Ok(())
    }
}
