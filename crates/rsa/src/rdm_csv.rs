use std::path::Path;

use crate::{Rdm, RsaError, error::read};

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
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(bytes.as_slice());
        let records: Vec<csv::StringRecord> = reader
            .records()
            .collect::<Result<_, _>>()
            .map_err(|error| refuse("a CSV file".to_owned(), error.to_string()))?;
        let columns = records.first().map_or(0, csv::StringRecord::len);
        let header = usize::from(records.len() == columns + 1);
        let rows = &records[header..];
        if rows.len() != columns {
            let expected = "as many lines as columns".to_owned();
            let found = format!("{} lines of {columns} columns", rows.len());
            return Err(refuse(expected, found));
        }
        let mut values = Vec::with_capacity(columns * columns);
        for (row, record) in (1..).zip(rows) {
            if record.len() != columns {
                let expected = format!("{columns} fields in row {row} of the matrix");
                return Err(refuse(expected, record.len().to_string()));
            }
            for (column, field) in (1..).zip(record) {
                let value = field.trim().parse().map_err(|_| RsaError::Element {
                    origin: origin.clone(),
                    row,
                    column,
                    expected: "a number".to_owned(),
                    found: format!("{field:?}"),
                    advice: ADVICE,
                })?;
                values.push(value);
            }
        }
        Self::checked(&origin, columns, values)
    }
}
