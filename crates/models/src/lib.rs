//! The models and data sets that dacapo ships.
