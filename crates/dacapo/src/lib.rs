//! Bit-exact resumable fine-tuning: stop it anywhere, start it again, and not one bit differs.
