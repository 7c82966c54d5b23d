//! Whatever is wrong with what the program is given, it says so in one paragraph that
//! names cause and next action, exits with 2 and leaves nothing half-written.

mod checkpoints;
mod files;
mod settings;
mod telling;
