//! The only place that reads clock and host.

use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// The machine's name, as far as it can be told without a system call of our own.
pub(crate) fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .or_else(|_| std::env::var("HOSTNAME"))
        .or_else(|_| std::env::var("COMPUTERNAME"))
        .unwrap_or_else(|_| "unknown".to_owned())
}

/// Threads that the CPU backend uses.
pub(crate) fn threads() -> u64 {
    let asked = std::env::var("RAYON_NUM_THREADS").ok();
    match asked.and_then(|count| count.parse().ok()) {
        Some(count) if count > 0 => count,
        _ => std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
    }
}
