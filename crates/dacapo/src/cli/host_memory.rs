/// Half of the bytes of memory that the system could still give; 0 where it does not say.
pub(crate) fn half_of_what_is_free() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    free_kib(&text).unwrap_or(0) * 1024 / 2
}

/// The line `MemAvailable:    1234 kB`.
fn free_kib(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_misread() {
        let text =
            "MemTotal:       16384 kB\nMemFree: 1 kB\nMemAvailable:    8192 kB\nBuffers: 2 kB\n";
        assert_eq!(free_kib(text), Some(8192));
        for odd in [
            "",
            "MemAvailable:\n",
            "MemAvailable: -3 kB\n",
            "MemAvailable: 3 MB\n",
        ] {
            assert_eq!(free_kib(odd), None, "{odd:?}");
        }
    }
}
