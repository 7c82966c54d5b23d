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
        let reader = || {
            csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .from_reader(bytes.as_slice())
        };
        let broken = |error: csv::Error| refuse("a CSV file".to_owned(), error.to_string());
        // Read twice, into one record: a record for every line would each have room for as many
        // fields as the longest line, and memory would grow with the square of the file.
        let mut record = csv::StringRecord::new();
        let (mut lines, mut columns) = (0, 0);
        let mut table = reader();
        while table.read_record(&mut record).map_err(broken)? {
            if lines == 0 {
                columns = record.len();
            }
            lines += 1;
        }
        let header = usize::from(lines == columns + 1);
        if lines - header != columns {
            let expected = "as many lines as columns".to_owned();
            let found = format!("{} lines of {columns} columns", lines - header);
            return Err(refuse(expected, found));
        }
        let mut table = reader();
        let mut values = Vec::new();
        for line in 1..=lines {
            table.read_record(&mut record).map_err(broken)?;
            if line <= header {
                continue;
            }
            let row = line - header;
            if record.len() != columns {
                let expected = format!("{columns} fields in row {row} of the matrix");
                return Err(refuse(expected, record.len().to_string()));
            }
            for (column, field) in (1..).zip(&record) {
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
