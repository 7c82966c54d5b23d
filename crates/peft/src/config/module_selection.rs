/// Which modules a key of the configuration means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleSelection {
    /// Modules whose path is one of these, or ends with `.` and one of these.
    Names(Vec<String>),
    /// Modules whose whole path a regular expression matches.
    Pattern(String),
}
