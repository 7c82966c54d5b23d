use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use dacapo::trainer::{Communicator, CommunicatorError, Ranks};

/// How long a rank waits for the others; a test whose ranks disagree fails, it does not hang.
const LIMIT: Duration = Duration::from_secs(300);

/// Ranks that are threads of this process.
pub struct ThreadGroup;

impl ThreadGroup {
    /// Runs `work` on `size` ranks and gives their results, by rank. A rank whose thread panics is
    /// gone for the others, and its panic goes on here.
    pub fn run<R: Send>(size: usize, work: impl Fn(Ranks) -> R + Sync) -> Vec<R> {
        let room = Arc::new(Room {
            round: Mutex::new(Round {
                messages: vec![None; size],
                taken: 0,
                left: 0,
            }),
            changed: Condvar::new(),
        });
        thread::scope(|scope| {
            let threads: Vec<_> = (0..size)
                .map(|rank| {
                    let seat = Seat {
                        rank,
                        size,
                        room: Arc::clone(&room),
                    };
                    let work = &work;
                    scope.spawn(move || work(Ranks::of(seat)))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                })
                .collect()
        })
    }
}

struct Room {
    round: Mutex<Round>,
    changed: Condvar,
}

struct Round {
    messages: Vec<Option<Vec<u8>>>,
    /// How many ranks have read all of them.
    taken: usize,
    /// How many ranks are gone.
    left: usize,
}

struct Seat {
    rank: usize,
    size: usize,
    room: Arc<Room>,
}

impl Seat {
    /// Waits until `ready`.
    fn wait<'a>(
        &self,
        round: MutexGuard<'a, Round>,
        ready: impl Fn(&Round) -> bool,
    ) -> Result<MutexGuard<'a, Round>, CommunicatorError> {
        let waiting = |round: &mut Round| !ready(round) && round.left == 0;
        let (round, _) = self
            .room
            .changed
            .wait_timeout_while(round, LIMIT, waiting)
            .unwrap_or_else(PoisonError::into_inner);
        match ready(&round) {
            true => Ok(round),
            false => Err(format!("{} ranks are gone", round.left).into()),
        }
    }
}

impl Communicator for Seat {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, message: &[u8]) -> Result<Vec<Vec<u8>>, CommunicatorError> {
        let round = self
            .room
            .round
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // The last round's message lies there until all have read it.
        let mut round = self.wait(round, |round| round.messages[self.rank].is_none())?;
        round.messages[self.rank] = Some(message.to_vec());
        self.room.changed.notify_all();
        let mut round = self.wait(round, |round| round.messages.iter().all(Option::is_some))?;
        let messages = round.messages.iter().flatten().cloned().collect();
        round.taken += 1;
        if round.taken == self.size {
            round.taken = 0;
            round.messages.fill(None);
            self.room.changed.notify_all();
        }
        Ok(messages)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut round = self
            .room
            .round
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        round.left += 1;
        self.room.changed.notify_all();
    }
}
