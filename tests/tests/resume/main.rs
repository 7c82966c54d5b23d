//! A run that was stopped anywhere and resumed ends in the bits of the uninterrupted one:
//! last state, best checkpoint and `history.csv`.
//!
//! Every stop and every resumption is a process of its own.

mod base;
mod every_step;
mod extended;
mod harmless;
mod older_checkpoint;
mod several_stops;
