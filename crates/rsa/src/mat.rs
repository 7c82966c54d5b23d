use std::path::Path;

use crate::{
    Rdm, RsaError,
    error::read,
    mat5::{Array, arrays},
};

const SAVE: &str = "In MATLAB, write the matrix alone, as double, with `save(file, 'name', '-v7')`";

impl Rdm {
    /// Reads the matrix `variable` of a MATLAB 5 file (`save -v6` or `-v7`), or the only
    /// matrix if `variable` is `None`.
    ///
    /// # Errors
    /// [`RsaError::Io`] if the file cannot be read; [`RsaError::Content`] if it is no
    /// MATLAB 5 file, is damaged, unpacks to more than 1 GiB or has no such variable, or
    /// if that is no square matrix of real floating-point numbers; [`RsaError::Element`]
    /// as in [`Self::from_dissimilarities`].
    pub fn read_mat(path: impl AsRef<Path>, variable: Option<&str>) -> Result<Self, RsaError> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let origin = path.display().to_string();
        let arrays = arrays(&bytes).map_err(|refusal| {
            let origin = match refusal.variable {
                Some(variable) => format!("{origin}: variable `{}`", shown(&variable)),
                None => origin.clone(),
            };
            refuse(&origin, refusal.expected, refusal.found)
        })?;
        let array = select(&origin, &arrays, variable)?;
        let origin = format!("{origin}: variable `{}`", shown(&array.name));
        let Some(stored) = &array.values else {
            let expected = "real numbers of class double or single";
            let found = "complex numbers or integers".to_owned();
            return Err(refuse(&origin, expected, found));
        };
        let columns = match *array.size.as_slice() {
            [rows, columns] if rows == columns => columns,
            _ => {
                let found = format!("{} numbers of size {:?}", stored.len(), array.size);
                return Err(refuse(&origin, "a square matrix", found));
            }
        };
        // The file has the matrix column by column.
        let mut values = Vec::with_capacity(stored.len());
        for i in 0..columns {
            values.extend(stored.iter().skip(i).step_by(columns));
        }
        Self::checked(&origin, columns, values)
    }
}

/// The array called `variable`, or the only one.
fn select<'a>(
    origin: &str,
    arrays: &'a [Array],
    variable: Option<&str>,
) -> Result<&'a Array, RsaError> {
    let mut sorted: Vec<&str> = arrays.iter().map(|array| array.name.as_str()).collect();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let found = format!("`{}` twice", shown(pair[0]));
        return Err(refuse(origin, "variables of names of their own", found));
    }
    let names: Vec<String> = arrays
        .iter()
        .take(8)
        .map(|array| shown(&array.name))
        .collect();
    let more = if arrays.len() > 8 { ", .." } else { "" };
    let found = match names.as_slice() {
        [] => "none".to_owned(),
        names => format!("`{}`{more}", names.join("`, `")),
    };
    let (expected, array) = match variable {
        Some(name) => {
            let array = arrays.iter().find(|array| array.name == name);
            (format!("a numeric matrix `{name}`"), array)
        }
        None => {
            let only = arrays.first().filter(|_| arrays.len() == 1);
            ("one numeric matrix".to_owned(), only)
        }
    };
    array.ok_or_else(|| RsaError::Content {
        origin: origin.to_owned(),
        expected,
        found,
        advice: if arrays.is_empty() {
            SAVE
        } else {
            "Name one of these"
        },
    })
}

/// A variable's name, which may be anything in a damaged file.
fn shown(name: &str) -> String {
    const MOST: usize = 63;
    name.chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect()
}

fn refuse(origin: &str, expected: impl Into<String>, found: String) -> RsaError {
    RsaError::Content {
        origin: origin.to_owned(),
        expected: expected.into(),
        found,
        advice: SAVE,
    }
}
