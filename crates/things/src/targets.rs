use std::{collections::BTreeMap, path::Path};

use csv::StringRecord;

use crate::{
    ThingsError,
    error::{has_open_quote, quoted, read},
};

const FORM: &str = "Give a file `,image_name,0,1,...,65`: an index, a name and 66 numbers per row";

/// The behavioural embedding of images from THINGS (Hebart et al. 2020): a name and
/// [`Self::DIMENSIONS`] values each, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    names: Vec<String>,
    values: Vec<f64>,
}

impl Targets {
    /// Values per image.
    pub const DIMENSIONS: usize = 66;

    /// Reads a CSV file with the header `,image_name,0,1,...,65`. The index in its first
    /// column means nothing and is not read.
    ///
    /// # Errors
    /// [`ThingsError::Io`] if the file cannot be read; [`ThingsError::Content`] if it is no
    /// CSV file, has another header or no row below it; [`ThingsError::Target`] for a row
    /// with another number of values, a value that is no finite number, no name, or
    /// the name of an earlier row.
    pub fn read_things_csv(path: impl AsRef<Path>) -> Result<Self, ThingsError> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let refuse = |expected: &str, found: String| ThingsError::Content {
            origin: path.display().to_string(),
            expected: expected.to_owned(),
            found,
            advice: FORM,
        };
        let broken = |error: csv::Error| refuse("a CSV file", error.to_string());
        if has_open_quote(&bytes) {
            let found = "an odd number of quotation marks".to_owned();
            return Err(refuse("a CSV file whose quoted fields end", found));
        }
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(bytes.as_slice());
        let header = reader.headers().map_err(broken)?;
        let dimensions = (0..Self::DIMENSIONS).map(|number| number.to_string());
        let names = [String::new(), "image_name".to_owned()];
        if !header.iter().eq(names.into_iter().chain(dimensions)) {
            let names = quoted(header.as_slice());
            let found = format!("{} columns {names}", header.len());
            return Err(refuse("the header `,image_name,0,1,...,65`", found));
        }
        let mut targets = Self {
            names: Vec::new(),
            values: Vec::new(),
        };
        let mut rows = BTreeMap::new();
        for (row, record) in (2..).zip(reader.records()) {
            let record = record.map_err(broken)?;
            let name = record.get(1).unwrap_or_default();
            let values = parse(&record, rows.get(name)).map_err(|(expected, found, advice)| {
                ThingsError::Target {
                    path: path.to_owned(),
                    row,
                    image: name.to_owned(),
                    expected,
                    found,
                    advice,
                }
            })?;
            rows.insert(name.to_owned(), row);
            targets.names.push(name.to_owned());
            targets.values.extend(values);
        }
        if targets.is_empty() {
            return Err(refuse("at least one row", "only a header".to_owned()));
        }
        Ok(targets)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of every image, all different.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All values `[len, 66]`, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}

type Refusal = (String, String, &'static str);

/// The values of a row, or what was expected, what was found and what to do. `earlier`
/// is the row that has the same name.
fn parse(record: &StringRecord, earlier: Option<&usize>) -> Result<Vec<f64>, Refusal> {
    let values = record.len().saturating_sub(2);
    if values != Targets::DIMENSIONS {
        let expected = format!("{} values", Targets::DIMENSIONS);
        return Err((expected, values.to_string(), FORM));
    }
    if record[1].is_empty() {
        let expected = "an image name".to_owned();
        return Err((expected, "an empty field".to_owned(), FORM));
    }
    if let Some(earlier) = earlier {
        let expected = "a name of its own".to_owned();
        let found = format!("the name of row {earlier}");
        return Err((expected, found, "Remove one of the two rows"));
    }
    let fields = record.iter().skip(2).enumerate();
    fields
        .map(|(dimension, field)| {
            let number = field.trim().parse().ok();
            number
                .filter(|value: &f64| value.is_finite())
                .ok_or_else(|| {
                    let expected = format!("a finite number in dimension {dimension}");
                    (
                        expected,
                        quoted(field),
                        "Correct the value or remove the row",
                    )
                })
        })
        .collect()
}
