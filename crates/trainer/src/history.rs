use crate::EpochRow;

/// The history as CSV: a header and one row an epoch, columns in a fixed order.
///
/// Numbers are printed in the shortest form that reads back to the same bits. The
/// file is a view of the record: it is written whole from it each time, so that it
/// cannot disagree with the state.
pub fn history_csv(history: &[EpochRow], lr: f64) -> String {
    let mut columns: Vec<&str> = history
        .iter()
        .flat_map(|row| row.metrics.keys().map(String::as_str))
        .collect();
    columns.sort_unstable();
    columns.dedup();
    let mut out = String::from("epoch,step,lr");
    for column in &columns {
        out.push(',');
        out.push_str(column);
    }
    out.push('\n');
    for row in history {
        out.push_str(&format!(
            "{},{},{}",
            row.epoch,
            row.step,
            lr * row.lr_factor
        ));
        for column in &columns {
            out.push(',');
            if let Some(value) = row.metrics.get(*column) {
                out.push_str(&value.to_string());
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_loses_bits_in_the_csv() {
        let value = 0.1 + 0.2;
        let row = EpochRow {
            epoch: 1,
            step: 7,
            lr_factor: 0.5,
            metrics: [("train_loss".to_owned(), value)].into(),
        };
        let csv = history_csv(&[row], 1e-3);
        assert_eq!(
            csv,
            "epoch,step,lr,train_loss\n1,7,0.0005,0.30000000000000004\n"
        );
    }
}
