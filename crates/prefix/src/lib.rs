//! Keeps what a model computes before its first trainable tensor: for every sample the same in
//! every epoch.
//!
//! # Contract
//! [`PrefixCache::rows`] gives the same bits whether rows are kept or computed every time: both
//! compute samples in micro-batches of one fixed shape, the last one filled up. That a sample's
//! row does not depend on its place and company in a micro-batch is checked on the model and the
//! device in use before any row is kept.
//!
//! A set's rows are kept on the device, on the host or in a file, whichever is the first that has
//! room ([`Limits`]). With a folder ([`PrefixCache::in_folder`]) they are written to a file in any
//! case, and other processes read them from there: the file's name and header say everything
//! that the rows depend on, every row carries a hash, and before a file is used its first rows
//! are computed and compared. What does not fit is an error, never a guess.
//!
//! The cache is no state: it can be left out, lost or filled anew at any step.
//!
//! [`FrozenPrefix`] trains any [`SplitForward`] model that way: it finds the first trainable tensor, cuts
//! before it, and computes the rest. A `Vec` of [`Layer`]s is such a model as it is.
//!
//! # What this crate does not do
//! It knows no model: whoever calls [`PrefixCache`] says how to compute a micro-batch, and must do so
//! without dropout and from frozen tensors alone.

mod frozen_prefix;
mod layer;
mod limits;
mod pieces;
mod place;
mod prefix_cache;
mod prefix_error;
mod row_file;
mod row_format;
mod samples;
mod split_forward;

pub use frozen_prefix::FrozenPrefix;
pub use layer::{Layer, first_trainable_layer};
pub use limits::Limits;
pub use place::Place;
pub use prefix_cache::{ComputeError, PrefixCache};
pub use prefix_error::PrefixError;
pub use samples::Samples;
pub use split_forward::SplitForward;
