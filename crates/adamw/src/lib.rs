//! AdamW as a pure step over a serialisable state, with PyTorch's order of operations, and learning-rate schedules.
