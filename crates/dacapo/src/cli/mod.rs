//! The command line.

mod ablate;
mod args;
mod checkpoint_file;
mod clock;
mod completions;
mod config;
mod event_log;
mod exit_code;
mod export;
mod fork;
mod host_memory;
mod import;
mod import_peft;
mod imported_run;
mod inspect;
mod kept_memory;
#[cfg(feature = "cuda")]
mod kernel_cache;
mod launch;
mod lineage;
mod man;
mod merge;
mod new_files;
mod observer;
mod on_device;
mod on_job;
#[cfg(feature = "cuda")]
mod open_cuda;
mod output;
mod plan;
mod rank_observer;
mod repair;
mod report;
mod run_checkpoint;
mod run_dir;
mod signals;
mod stand_ins;
mod stored;
mod summary;
mod sweep;
mod sweep_table;
mod tensor_board;
mod train;
mod verify;

use clap::Parser;

use args::{Cli, Command};

use crate::CliError;

/// Runs the program with the process's arguments and gives its exit code.
pub fn main() -> i32 {
    kept_memory::keep_freed_memory();
    // Exit code 2 for bad arguments is clap's own.
    let cli = Cli::parse();
    let level = match cli.verbose {
        0 => tracing::Level::WARN,
        1 => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .without_time()
        .with_ansi(false)
        .with_writer(std::io::stderr)
        // Where standard error is closed, there is no place to complain about it.
        .log_internal_errors(false)
        .init();
    let result = several(&cli.command).and_then(|()| run(&cli.command));
    result.unwrap_or_else(|error| {
        // A rank's has been told, while the others were there.
        if !matches!(error, CliError::Rank { .. }) {
            output::complain(&error.to_string());
        }
        exit_code::ERROR
    })
}

/// Refuses several processes for a command that is one's work.
fn several(command: &Command) -> Result<(), CliError> {
    match command {
        Command::Train(_) | Command::Resume(_) | Command::Pretrain(_) => Ok(()),
        _ => launch::refuse_several(&std::env::args().nth(1).unwrap_or_default()),
    }
}

fn run(command: &Command) -> Result<i32, CliError> {
    match command {
        Command::Train(args) => train::train(args),
        Command::Resume(args) => train::resume(args),
        Command::Verify(args) => verify::verify(args),
        Command::Inspect(args) => inspect::inspect(args),
        Command::Plan(args) => plan::plan(args),
        Command::Pretrain(args) => train::pretrain(args),
        Command::Export(args) => export::export(args),
        Command::Ablate(args) => ablate::ablate(args),
        Command::Fork(args) => fork::fork(args),
        Command::Sweep(args) => sweep::sweep(args),
        Command::Lineage(args) => lineage::lineage(args),
        Command::Repair(args) => repair::repair(args),
        Command::Report(args) => report::report(args),
        Command::Merge(args) => merge::merge(args),
        Command::Import(args) => import::import(args),
        Command::StandIns(args) => stand_ins::stand_ins(args),
        Command::Config(args) => config::config(args),
        Command::Completions(args) => completions::completions(args),
        Command::Man(args) => man::man(args),
    }
}
