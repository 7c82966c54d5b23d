//! One run on several ranks: whichever there are, not one bit differs.

mod bits;
mod faults;
mod joining;
#[cfg(feature = "mpi")]
mod launched;
mod on_ranks;
