use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{Communicator, CommunicatorError, TrainerError};

/// What a message ends with: behind the content, so that none is copied to add or take it.
const FINE: u8 = 0;
const FAILED: u8 = 1;

/// The processes that train one run together.
///
/// They do the same in the same order, and every [`exchange`](Self::exchange) is one of all of them. A
/// process that fails takes part in one more, in which it says why ([`fail`](Self::fail)); the others
/// then end with that error. One that dies without a word is the communicator's to notice.
#[derive(Clone)]
pub struct Ranks(Option<Arc<Group>>);

struct Group {
    communicator: Box<dyn Communicator>,
    /// Whether this process has failed or knows of one that has: nobody answers any more.
    over: AtomicBool,
}

impl Ranks {
    /// One process, which speaks with nobody.
    pub fn alone() -> Self {
        Self(None)
    }

    /// The processes that `communicator` connects.
    pub fn of(communicator: impl Communicator + 'static) -> Self {
        Self(Some(Arc::new(Group {
            communicator: Box::new(communicator),
            over: AtomicBool::new(false),
        })))
    }

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |group| group.communicator.rank())
    }

    /// How many processes there are.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |group| group.communicator.size())
    }

    /// Whether this is the process that writes: checkpoints, logs, what the user reads.
    pub fn is_first(&self) -> bool {
        self.rank() == 0
    }

    /// Hands `message` to every process and takes theirs, by rank. `what` names it: processes that are
    /// not at the same place are told so.
    ///
    /// # Errors
    /// [`TrainerError::OtherRank`] with the first process that has failed,
    /// [`TrainerError::Communication`] where messages do not arrive.
    pub fn exchange(&self, what: &str, message: Vec<u8>) -> Result<Vec<Vec<u8>>, TrainerError> {
        let Some(group) = &self.0 else {
            return Ok(vec![message]);
        };
        if group.over.load(Ordering::Relaxed) {
            return Err(group.unreachable(what, "this run has ended with an error".into()));
        }
        let mut messages = group.send(FINE, what, message).inspect_err(|_| {
            group.over.store(true, Ordering::Relaxed);
        })?;
        for (rank, frame) in messages.iter_mut().enumerate() {
            let failed = |message: String| {
                group.over.store(true, Ordering::Relaxed);
                TrainerError::OtherRank {
                    rank,
                    size: self.size(),
                    message,
                }
            };
            let (kind, place, message) = open(frame)
                .ok_or_else(|| failed("it sent what is no message of dacapo.".to_owned()))?;
            if kind == FAILED {
                return Err(failed(String::from_utf8_lossy(message).into_owned()));
            }
            if place != what.as_bytes() {
                let place = String::from_utf8_lossy(place);
                return Err(failed(format!(
                    "it sent its {place} where its {what} was expected."
                )));
            }
            let length = message.len();
            frame.truncate(length);
        }
        Ok(messages)
    }

    /// Hands the first process's message to all; the others' is not looked at.
    ///
    /// # Errors
    /// Those of [`exchange`](Self::exchange).
    pub fn from_first(&self, what: &str, message: Vec<u8>) -> Result<Vec<u8>, TrainerError> {
        let message = if self.is_first() { message } else { Vec::new() };
        Ok(self.exchange(what, message)?.swap_remove(0))
    }

    /// Tells the others, in the exchange that they come to next, that this process ends with `error`.
    /// Does nothing if it ends because another one did.
    pub fn fail(&self, error: &impl Display) {
        if let Some(group) = &self.0
            && !group.over.swap(true, Ordering::Relaxed)
        {
            // They hear of it, or are gone themselves: this process ends either way.
            let _ = group.send(FAILED, "", error.to_string().into_bytes());
        }
    }
}

impl Group {
    fn send(&self, kind: u8, what: &str, mut frame: Vec<u8>) -> Result<Vec<Vec<u8>>, TrainerError> {
        let place = u8::try_from(what.len()).expect("the name of an exchange is short");
        frame.extend_from_slice(what.as_bytes());
        frame.extend_from_slice(&[place, kind]);
        let frames = self.communicator.all_gather(&frame);
        let frames = frames.map_err(|error| self.unreachable(what, error))?;
        match frames.len() == self.communicator.size() {
            true => Ok(frames),
            false => {
                Err(self.unreachable(what, format!("{} messages arrived", frames.len()).into()))
            }
        }
    }

    fn unreachable(&self, what: &str, source: CommunicatorError) -> TrainerError {
        TrainerError::Communication {
            what: what.to_owned(),
            rank: self.communicator.rank(),
            size: self.communicator.size(),
            source,
        }
    }
}

/// Kind, place and content of a message.
fn open(frame: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (rest, &[place, kind]) = frame.split_last_chunk::<2>()?;
    let content = rest.len().checked_sub(usize::from(place))?;
    let (message, place) = rest.split_at(content);
    Some((kind, place, message))
}
