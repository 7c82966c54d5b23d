use std::path::Path;

use clap::CommandFactory;

use super::{
    args::{Cli, ManArgs},
    output::print,
};
use crate::CliError;

pub(crate) fn man(args: &ManArgs) -> Result<i32, CliError> {
    match &args.out {
        Some(folder) => write_all(folder)?,
        None => {
            let mut page = Vec::new();
            // As the page of that name among all of them.
            clap_mangen::Man::new(Cli::command().disable_help_subcommand(true))
                .render(&mut page)
                .expect("writing to memory cannot fail");
            print(&String::from_utf8(page).expect("a page is text"))?;
        }
    }
    Ok(0)
}

/// A page for the program and one for every command.
fn write_all(folder: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|error| {
            CliError::input(
                format!("cannot write the pages to {}: {error}", folder.display()),
                "Give a folder that can be written to with --out",
            )
        })
}
