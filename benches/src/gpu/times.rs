use serde_json::{Value, json};

/// Microseconds of one call, as `benches/python/peerlib.py` measures them.
#[derive(Clone, Debug, PartialEq)]
pub struct Times {
    /// Calls one after the other, as a program makes them.
    pub host: f64,
    /// Calls that each value of `warm` and of `cold` is the mean of.
    pub calls: usize,
    /// Device time; inputs may still be in the L2 cache.
    pub warm: Vec<f64>,
    /// Device time after a buffer larger than the L2 cache was written.
    pub cold: Vec<f64>,
}

impl Times {
    /// The median of `warm`.
    pub fn warm_median(&self) -> f64 {
        median(&self.warm)
    }

    /// The median of `cold`.
    pub fn cold_median(&self) -> f64 {
        median(&self.cold)
    }

    /// For the JSON file.
    pub fn to_json(&self) -> Value {
        json!({
            "host_us": self.host,
            "warm_us": self.warm_median(),
            "cold_us": self.cold_median(),
            "warm_p10_us": quantile(&self.warm, 0.1),
            "warm_p90_us": quantile(&self.warm, 0.9),
            "repeats": self.warm.len(),
            "calls": self.calls,
        })
    }
}

/// The median.
///
/// # Panics
/// If there are no values.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that a share `q` of `values` is not above, interpolated.
///
/// # Panics
/// If there are no values.
fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = q * (sorted.len() - 1) as f64;
    let (low, part) = (at.floor() as usize, at.fract());
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + part * (sorted[high] - sorted[low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_off_by_one() {
        let values = [4.0, 1.0, 3.0, 2.0, 5.0];
        assert_eq!(quantile(&values, 0.5), 3.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 1.0), 5.0);
        assert_eq!(quantile(&values[..4], 0.5), 2.5);
        assert_eq!(quantile(&[7.0], 0.9), 7.0);
    }
}
