//! A disk in memory that fails on command and can lose its power, for dacapo's tests.
//!
//! # Contract
//! A [`FaultyDisk`] is a [`Storage`](dacapo_record::Storage). It numbers every operation; one
//! of them, and perhaps all after it, can be made to go wrong as a [`Fault`] says.
//! [`FaultyDisk::after_power_cuts`] gives every disk that a power cut may leave:
//!
//! * names: of the entries made, renamed and removed since their folder was last synced, any
//!   may be on the disk and any may not, in any combination;
//! * contents: of a file that was not synced, nothing, half, or all of it.
//!
//! # What this crate does not do
//! It knows no permissions, links or other processes: its lock is always free.

mod content;
mod fault;
mod faulty_disk;
mod state;

pub use fault::Fault;
pub use faulty_disk::FaultyDisk;
