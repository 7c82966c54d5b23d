use std::io::{ErrorKind, Write};

use crate::CliError;

/// Writes to standard output. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::input(
            format!("cannot write to standard output: {error}"),
            "Free space or redirect the output elsewhere",
        )),
        _ => Ok(()),
    }
}

/// Writes pretty JSON and a line end to standard output.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<(), CliError> {
    print(&format!("{value:#}\n"))
}
