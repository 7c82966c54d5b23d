use clap::CommandFactory;

use super::{
    args::{Cli, CompletionsArgs},
    output::print,
};
use crate::CliError;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<i32, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dacapo", &mut script);
    print(&String::from_utf8(script).expect("a script is text"))?;
    Ok(0)
}
