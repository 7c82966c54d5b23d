//! Keeps what a model computes before its first trainable tensor: for every sample the same in
//! every epoch.
//!
//! # Contract
//! [`PrefixCache::rows`] gives the same bits whether rows are kept or computed every time: both
//! compute samples in micro-batches of one fixed shape, the last one filled up. That a sample's
//! row does not depend on its place and company in a micro-batch is checked on the model and the
//! device in use before any row is kept.
//!
//! The cache is no state: it can be left out, lost or filled anew at any step.
//!
//! # What this crate does not do
//! It knows no model: whoever calls it says how to compute a micro-batch, and must do so without
//! dropout and from frozen tensors alone.

mod pieces;
mod prefix_cache;

pub use prefix_cache::{ComputeError, PrefixCache};
