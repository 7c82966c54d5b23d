//! Workspace-wide benches of dacapo.
