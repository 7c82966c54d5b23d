//! Ranks over MPI.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use dacapo_trainer::{Communicator, CommunicatorError, StopReason};
use mpi::{
    Threading,
    collective::CommunicatorCollectives,
    datatype::PartitionMut,
    environment::Universe,
    request::{Request, Scope, scope},
    topology::{Communicator as _, SimpleCommunicator},
};

use super::{
    super::{output::complain, signals::Signals},
    report::Traffic,
};
use crate::CliError;

/// How long a rank asks without a pause whether all others have come to an exchange.
const EAGER: Duration = Duration::from_millis(1);
/// The same while messages travel, which move on only while someone asks.
const TRAVEL: Duration = Duration::from_secs(1);
/// How long it sleeps between two questions afterwards.
const PAUSE: Duration = Duration::from_micros(100);
/// How long after SIGTERM it says that it waits: Open MPI kills after a second.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// MPI, from its start to its end.
pub(super) struct Mpi {
    _universe: Universe,
    rank: usize,
    size: usize,
    pub(super) local_rank: usize,
    pub(super) local_size: usize,
    /// How long to wait for the others; without end if that is nothing.
    limit: Option<Duration>,
    signals: Signals,
    /// Whether that was said.
    told: AtomicBool,
    traffic: Mutex<Traffic>,
}

impl Mpi {
    /// Starts MPI; messages are waited for so many seconds, or without end for 0.
    pub(super) fn start(timeout: u64) -> Result<Self, CliError> {
        // One thread at a time speaks, whichever trains.
        let started = mpi::initialize_with_threading(Threading::Serialized);
        let (universe, threading) = started.ok_or_else(|| {
            CliError::input("MPI has been started already", "Start dacapo by itself")
        })?;
        if threading < Threading::Serialized {
            return Err(CliError::input(
                format!("MPI gives {threading:?} where Serialized threads are needed"),
                "Use an MPI that was built with support for threads",
            ));
        }
        let world = universe.world();
        let local = world.split_shared(world.rank());
        Ok(Self {
            rank: count(world.rank()),
            size: count(world.size()),
            local_rank: count(local.rank()),
            local_size: count(local.size()),
            _universe: universe,
            limit: (timeout > 0).then(|| Duration::from_secs(timeout)),
            signals: Signals::listen()?,
            told: AtomicBool::new(false),
            traffic: Mutex::default(),
        })
    }

    /// Refuses processes that MPI does not connect: each would train by itself.
    pub(super) fn check_size(&self, count: usize, told: &str) -> Result<(), CliError> {
        match self.size == count {
            true => Ok(()),
            false => Err(CliError::input(
                format!(
                    "{told} says that {count} processes were started together, but MPI connects {}",
                    self.size
                ),
                "Start them with the mpirun of the MPI that this program was built with, or have \
                 srun speak its language (srun --mpi=list, then for example --mpi=pmix)",
            )),
        }
    }

    pub(super) fn traffic(&self) -> Traffic {
        *self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `request`, at first without a pause.
    fn wait<'a, D: ?Sized, S: Scope<'a>>(&self, mut request: Request<'a, D, S>, eager: Duration) {
        let started = Instant::now();
        let mut terminated = None;
        loop {
            match request.test() {
                Ok(_) => return,
                Err(pending) => request = pending,
            }
            let waited = started.elapsed();
            if self.signals.stop() == Some(StopReason::Terminate) {
                // A launcher that ends all ranks lets them finish the step in progress; one that has
                // lost a rank kills the others, for whom this is the last that one hears of them.
                let since = *terminated.get_or_insert(waited);
                if waited - since > LAST_WORDS && !self.told.swap(true, Ordering::Relaxed) {
                    self.tell(
                        "SIGTERM, and no answer of the other ranks: if one of them has died, all end \
                         here and the last checkpoint is whole; resume with the ranks that are left",
                    );
                }
            }
            if self.limit.is_some_and(|limit| waited > limit) {
                self.tell(&format!(
                    "another rank has not answered for {} s (--rank-timeout), so all end here; the \
                     last checkpoint is whole: look after that rank, then resume with as many as you \
                     like",
                    waited.as_secs()
                ));
                SimpleCommunicator::world().abort(super::super::exit_code::ERROR);
            }
            match waited < eager {
                // There may be no other processor for the others.
                true => thread::yield_now(),
                false => thread::sleep(PAUSE),
            }
        }
    }

    fn tell(&self, what: &str) {
        let (rank, size) = (self.rank, self.size);
        complain(&format!("rank {rank} of {size}: {what}."));
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        if thread::panicking() {
            // The end of MPI waits for the others, which wait for this one.
            SimpleCommunicator::world().abort(super::super::exit_code::ERROR);
        }
    }
}

/// Carries messages over MPI's world.
pub(super) struct MpiCommunicator {
    rank: usize,
    size: usize,
    /// Gone once the program ends it.
    mpi: Weak<Mpi>,
}

impl MpiCommunicator {
    pub(super) fn new(mpi: &Arc<Mpi>) -> Self {
        Self {
            rank: mpi.rank,
            size: mpi.size,
            mpi: Arc::downgrade(mpi),
        }
    }
}

impl Communicator for MpiCommunicator {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, message: &[u8]) -> Result<Vec<Vec<u8>>, CommunicatorError> {
        let mpi = self.mpi.upgrade().ok_or("MPI has ended")?;
        let started = Instant::now();
        // No handle is kept: MPI's need not be usable by another thread.
        let world = SimpleCommunicator::world();
        let mut lengths = vec![0_u64; self.size];
        let own = message.len() as u64;
        scope(|scope| {
            let request = world.immediate_all_gather_into(scope, &own, &mut lengths[..]);
            mpi.wait(request, EAGER);
        });
        let all_here = Instant::now();

        let mut counts = Vec::with_capacity(self.size);
        let mut starts = Vec::with_capacity(self.size);
        let mut total = 0_i32;
        for length in &lengths {
            let count = i32::try_from(*length).map_err(|_| too_long(&lengths))?;
            starts.push(total);
            counts.push(count);
            total = total.checked_add(count).ok_or_else(|| too_long(&lengths))?;
        }
        let mut all = vec![0_u8; count(total)];
        let mut parts = PartitionMut::new(&mut all[..], &counts[..], &starts[..]);
        scope(|scope| {
            let request = world.immediate_all_gather_varcount_into(scope, message, &mut parts);
            mpi.wait(request, TRAVEL);
        });
        let mut rest = &all[..];
        let messages = counts.iter().map(|length| {
            let (message, others) = rest.split_at(count(*length));
            rest = others;
            message.to_vec()
        });
        let messages = messages.collect();

        let mut traffic = mpi.traffic.lock().unwrap_or_else(PoisonError::into_inner);
        traffic.exchanges += 1;
        traffic.sent_bytes += own;
        traffic.received_bytes += lengths.iter().sum::<u64>() - own;
        traffic.seconds += started.elapsed().as_secs_f64();
        traffic.travel_seconds += all_here.elapsed().as_secs_f64();
        Ok(messages)
    }
}

fn too_long(lengths: &[u64]) -> CommunicatorError {
    format!(
        "messages of {} bytes in all, where MPI counts to 2^31: train fewer numbers, or on one rank",
        lengths.iter().sum::<u64>()
    )
    .into()
}

/// Of what MPI counts, and never below 0.
fn count(value: i32) -> usize {
    usize::try_from(value).expect("MPI counts from 0")
}
