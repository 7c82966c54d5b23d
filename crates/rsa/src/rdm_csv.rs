use std::path::Path;

use crate::{
    Rdm, RsaError,
    error::{has_open_quote, quoted, read},
};

const ADVICE: &str = "Give n lines of n numbers, below one header line or none";

impl Rdm {
    /// Reads a CSV file of n lines of n numbers, below one header line or none. A first
    /// line is a header if, and only if, there is one line more than columns.
    ///
    /// # Errors
    /// [`RsaError::Io`] if the file cannot be read; [`RsaError::Content`] if it is no
    /// square table; [`RsaError::Element`] for a field that is no number, and as in
    /// [`Self::from_dissimilarities`].
    pub fn read_csv(path: impl AsRef<Path>) -> Result<Self, RsaError> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let origin = path.display().to_string();
        let refuse = |expected: String, found: String| RsaError::Content {
            origin: origin.clone(),
            expected,
            found,
            advice: ADVICE,
        };
        if has_open_quote(&bytes) {
            let expected = "a CSV file whose quoted fields end".to_owned();
            return Err(refuse(
                expected,
                "an odd number of quotation marks".to_owned(),
            ));
        }
        let broken = |error: csv::Error| refuse("a CSV file".to_owned(), error.to_string());
        let reader = || {
            csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(bytes.as_slice())
        };
        // Once over the lines before memory is taken for what the first of them promises, and
        // in one record: a copy of each would have room for the longest.
        let mut record = csv::StringRecord::new();
        let (mut lines, mut columns, mut ragged) = (0, 0, None);
        let mut first = reader();
        while first.read_record(&mut record).map_err(broken)? {
            if lines == 0 {
                columns = record.len();
            } else if record.len() != columns && ragged.is_none() {
                ragged = Some((lines, record.len()));
            }
            lines += 1;
        }
        let header = usize::from(lines == columns + 1);
        if lines - header != columns {
            let expected = "as many lines as columns".to_owned();
            let found = format!("{lines} lines of {columns} columns");
            return Err(refuse(expected, found));
        }
        if let Some((line, fields)) = ragged {
            let row = line + 1 - header;
            let expected = format!("{columns} fields in row {row} of the matrix");
            return Err(refuse(expected, fields.to_string()));
        }
        let mut values = Vec::with_capacity(columns * columns);
        let mut second = reader();
        for line in 0..lines {
            second.read_record(&mut record).map_err(broken)?;
            let Some(row) = (line + 1).checked_sub(header).filter(|row| *row > 0) else {
                continue;
            };
            for (column, field) in (1..).zip(&record) {
                let value = field.trim().parse().map_err(|_| RsaError::Element {
                    origin: origin.clone(),
                    row,
                    column,
                    expected: "a number".to_owned(),
                    found: quoted(field),
                    advice: ADVICE,
                })?;
                values.push(value);
            }
        }
        Self::checked(&origin, columns, values)
    }
}
