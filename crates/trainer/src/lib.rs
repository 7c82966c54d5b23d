//! A trainer whose complete state is one Burn record.
