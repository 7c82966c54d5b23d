//! What the program's exit codes mean.

/// Done.
pub(crate) const DONE: i32 = 0;
/// A difference, or something to mend, was found.
pub(crate) const FOUND: i32 = 1;
/// An error.
pub(crate) const ERROR: i32 = 2;
/// Stopped by Ctrl-C: 128 and the signal's number, as shells have it.
pub(crate) const INTERRUPTED: i32 = 130;
/// Stopped by SIGTERM.
pub(crate) const TERMINATED: i32 = 143;

/// A panic's, which is Rust's own.
const PANIC: i32 = 101;

/// Every code with its meaning.
const ALL: [(i32, &str); 6] = [
    (DONE, "done"),
    (
        FOUND,
        "`verify` found a difference, or `repair --dry-run` something to mend",
    ),
    (
        ERROR,
        "an error, told in one paragraph on standard error; also of the command line",
    ),
    (
        PANIC,
        "a fault in dacapo itself; please report it. What is committed stays whole",
    ),
    (
        INTERRUPTED,
        "stopped by Ctrl-C after committing a checkpoint; go on with `resume`",
    ),
    (TERMINATED, "the same by SIGTERM"),
];

/// The codes as the help lists them.
pub(crate) fn listed() -> String {
    let lines = ALL.map(|(code, meaning)| format!("  {code:>3}  {meaning}\n"));
    format!("Exit codes:\n{}", lines.concat())
}
