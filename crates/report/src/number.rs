/// A number for people: six digits that count.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "no number".to_owned();
    }
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let before = if size < 1.0 { 0 } else { size.log10() as usize };
    let text = format!("{value:.*}", 6usize.saturating_sub(before));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn number_is_shown_as_another() {
        let pairs = [
            (0.0, "0"),
            (100.0, "100"),
            (0.125, "0.125"),
            (12_345.678, "12345.68"),
            (1.5e-9, "1.500e-9"),
            (f64::NAN, "no number"),
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in pairs {
            assert_eq!(number(value), text);
        }
    }
}
