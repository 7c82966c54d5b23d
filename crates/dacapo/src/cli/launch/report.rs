use dacapo_trainer::Ranks;
use serde::{Deserialize, Serialize};

use crate::CliError;

/// What a rank has said and heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// Exchanges that it took part in.
    pub(crate) exchanges: u64,
    /// Bytes of its messages.
    pub(crate) sent_bytes: u64,
    /// Bytes of the others' messages.
    pub(crate) received_bytes: u64,
    /// Seconds from its message until all had arrived: the others' delay included.
    pub(crate) seconds: f64,
    /// Of these, since all ranks were there.
    pub(crate) travel_seconds: f64,
}

/// What a rank tells of itself at the end of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RankReport {
    #[serde(flatten)]
    pub(crate) traffic: Traffic,
    /// The most memory of the host's that it had at a time; 0 where the system does not say.
    pub(crate) peak_bytes: u64,
}

impl RankReport {
    pub(super) fn now(traffic: Traffic) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            traffic,
            peak_bytes: peak_kib(&status).unwrap_or(0) * 1024,
        }
    }

    /// This rank's and the others', by rank.
    pub(super) fn exchanged(self, ranks: &Ranks) -> Result<Vec<Self>, CliError> {
        let own = serde_json::to_vec(&self).expect("plain data");
        let messages = ranks.exchange("report", own)?.into_iter();
        let read = messages.map(|message| {
            serde_json::from_slice(&message).map_err(|error| {
                CliError::input(
                    format!("a rank's report cannot be read: {error}"),
                    "The run itself is complete; start every rank with the same program",
                )
            })
        });
        read.collect()
    }
}

/// The line `VmHWM:    1234 kB`.
fn peak_kib(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_memory_is_misread() {
        let status = "Name:\tdacapo\nVmPeak:\t  99 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(peak_kib(status), Some(1234));
        for odd in ["", "VmHWM:\n", "VmHWM: 3 MB\n"] {
            assert_eq!(peak_kib(odd), None, "{odd:?}");
        }
    }
}
