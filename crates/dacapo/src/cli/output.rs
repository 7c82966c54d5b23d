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

/// Writes an error to standard error, in one piece: several ranks may write to the same one.
pub(crate) fn complain(error: &str) {
    // `eprintln!` would panic where nobody reads standard error any more, and tear the text.
    let _ = std::io::stderr().write_all(format!("dacapo: {error}\n").as_bytes());
}
