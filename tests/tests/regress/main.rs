//! One file for each defect that was found: the smallest case that showed it.

mod absent_leaf_was_filled_in;
mod decimal_was_read_a_bit_off;
mod deep_key_overflowed_the_stack;
mod failed_commit_went_unnoticed;
mod image_size_panicked;
mod large_numbers_overflowed;
mod section_was_replaced;
mod unknown_metric_was_found_late;
