//! The command-line program; see `dacapo --help`.

fn main() {
    std::process::exit(dacapo::cli::main());
}
