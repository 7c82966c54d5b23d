//! The command-line program, for the tests of this package to run.

fn main() {
    std::process::exit(dacapo::cli::main());
}
