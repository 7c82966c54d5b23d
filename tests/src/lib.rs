//! Workspace-wide tests of dacapo.
