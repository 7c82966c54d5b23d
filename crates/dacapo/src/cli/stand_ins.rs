use dacapo_things::{Targets, write_stand_ins};
use indicatif::ProgressBar;

use super::{args::StandInsArgs, output::print};
use crate::CliError;

pub(crate) fn stand_ins(args: &StandInsArgs) -> Result<i32, CliError> {
    let mut names = Vec::new();
    for table in &args.tables {
        names.extend_from_slice(Targets::read_things_csv(table)?.names());
    }
    // Drawn on terminals only.
    let bar = ProgressBar::new(names.len() as u64);
    let progress = |done: usize, _| bar.set_position(done as u64);
    let written = write_stand_ins(&args.out, &names, progress);
    bar.finish_and_clear();
    written?;
    print(&format!(
        "{} stand-ins in {}; they say nothing about the real images\n",
        names.len(),
        args.out.display()
    ))?;
    Ok(0)
}
