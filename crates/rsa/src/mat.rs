use std::path::Path;

use matfile::{Array, MatFile, NumericData};

use crate::{Rdm, RsaError, error::read};

const HEADER: usize = 128;
const TAG: usize = 8;
/// The two kinds of elements that a file has at its top, miMATRIX and miCOMPRESSED.
const ELEMENTS: [u32; 2] = [14, 15];
const SAVE: &str = "In MATLAB, write the matrix alone, as double, with `save(file, 'name', '-v7')`";

impl Rdm {
    /// Reads the matrix `variable` of a MATLAB 5 file (`save -v6` or `-v7`), or the only
    /// matrix if `variable` is `None`.
    ///
    /// The crate `matfile` below it writes a line to stderr about a damaged compressed
    /// element. In a debug build it panics over a damaged size of an uncompressed one.
    ///
    /// # Errors
    /// [`RsaError::Io`] if the file cannot be read; [`RsaError::Content`] if it is no
    /// MATLAB 5 file, is cut short or has no such variable, or if that is no square
    /// matrix of real floating-point numbers; [`RsaError::Element`] as in
    /// [`Self::from_dissimilarities`].
    pub fn read_mat(path: impl AsRef<Path>, variable: Option<&str>) -> Result<Self, RsaError> {
        let path = path.as_ref();
        let bytes = read(path)?;
        let origin = path.display().to_string();
        check_frame(&bytes).map_err(|(expected, found)| refuse(&origin, expected, found))?;
        let file = MatFile::parse(bytes.as_slice()).map_err(|error| {
            let found = format!("a damaged or unknown element ({error})");
            refuse(&origin, "numeric matrices of MATLAB 5", found)
        })?;
        let array = select(&origin, file.arrays(), variable)?;
        let origin = format!("{origin}: variable `{}`", array.name());
        let stored: Vec<f64> = match array.data() {
            NumericData::Double { real, imag: None } => real.clone(),
            NumericData::Single { real, imag: None } => {
                real.iter().copied().map(f64::from).collect()
            }
            _ => {
                let expected = "real numbers of class double or single";
                let found = "complex numbers or integers".to_owned();
                return Err(refuse(&origin, expected, found));
            }
        };
        let columns = match *array.size().as_slice() {
            // A damaged size can be anything.
            [rows, columns]
                if rows == columns && rows.checked_mul(columns) == Some(stored.len()) =>
            {
                columns
            }
            _ => {
                let found = format!("{} numbers of size {:?}", stored.len(), array.size());
                return Err(refuse(&origin, "a square matrix", found));
            }
        };
        // The file has the matrix column by column.
        let values = (0..columns)
            .flat_map(|i| stored.iter().skip(i).step_by(columns).copied())
            .collect();
        Self::checked(&origin, columns, values)
    }
}

/// The array called `variable`, or the only one.
fn select<'a>(
    origin: &str,
    arrays: &'a [Array],
    variable: Option<&str>,
) -> Result<&'a Array, RsaError> {
    let names: Vec<&str> = arrays.iter().map(Array::name).collect();
    let found = match names.as_slice() {
        [] => "none".to_owned(),
        names => format!("`{}`", names.join("`, `")),
    };
    let (expected, array) = match variable {
        Some(name) => {
            let array = arrays.iter().find(|array| array.name() == name);
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

/// Checks what `matfile` takes silently: that the header is that of version 5, and that
/// whole elements reach exactly to the end of the file.
fn check_frame(bytes: &[u8]) -> Result<(), (String, String)> {
    let refuse = |expected: &str, found: String| Err((expected.to_owned(), found));
    let kind = "a MATLAB 5 file";
    if bytes.len() < HEADER {
        return refuse(kind, format!("only {} bytes", bytes.len()));
    }
    let (number, version): (fn([u8; 4]) -> u32, _) = match &bytes[124..HEADER] {
        [low, high, b'I', b'M'] => (u32::from_le_bytes, [*high, *low]),
        [high, low, b'M', b'I'] => (u32::from_be_bytes, [*high, *low]),
        other => return refuse(kind, format!("a header that ends in {other:02x?}")),
    };
    if version != [1, 0] {
        let found = format!("version {version:?}: [2, 0] is HDF5, as `-v7.3` writes");
        return refuse("a MATLAB file of version [1, 0]", found);
    }
    let mut rest = &bytes[HEADER..];
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let Some((tag, content)) = rest.split_at_checked(TAG) else {
            return refuse(
                "whole elements",
                format!("half a tag at byte {at}: the file is cut short"),
            );
        };
        let element = number([tag[0], tag[1], tag[2], tag[3]]);
        let length = number([tag[4], tag[5], tag[6], tag[7]]) as usize;
        if !ELEMENTS.contains(&element) {
            return refuse(
                "matrices only",
                format!("an element of type {element} at byte {at}"),
            );
        }
        if content.len() < length {
            let found = format!(
                "{} of {length} bytes after byte {at}: the file is cut short",
                content.len()
            );
            return refuse("whole elements", found);
        }
        rest = &content[length..];
    }
    Ok(())
}

fn refuse(origin: &str, expected: impl Into<String>, found: String) -> RsaError {
    RsaError::Content {
        origin: origin.to_owned(),
        expected: expected.into(),
        found,
        advice: SAVE,
    }
}
