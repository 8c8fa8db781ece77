//! Vectors that a user writes.

use std::fs;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// The vectors of the option `query_vector`: a JSON array of numbers, an array of such arrays, or the path of a file with
/// either.
///
/// # Errors
/// [`Config`](ErrorKind::Config) for what is neither, and for numbers that a vector of 32-bit floats does not hold.
pub(super) fn vectors(given: &str) -> Result<Vec<Vec<f32>>> {
    let text = match given.trim_start().starts_with('[') {
        true => given.to_owned(),
        false => fs::read_to_string(given.trim()).map_err(|error| {
            wrong("the file of 'query_vector' cannot be read")
                .with("reason", error.kind())
                .help("give a JSON array of numbers, or the path of a file that holds one")
        })?,
    };
    let array = |value| match value {
        Value::Array(items) if !items.is_empty() => Some(items),
        _ => None,
    };
    let items = serde_json::from_str(&text).ok().and_then(array).ok_or_else(not_vectors)?;
    if items[0].is_array() {
        return items.into_iter().map(|item| vector(&array(item).ok_or_else(not_vectors)?)).collect();
    }
    Ok(vec![vector(&items)?])
}

fn vector(items: &[Value]) -> Result<Vec<f32>> {
    let numbers = items.iter().enumerate().map(|(place, item)| {
        let number = item.as_f64().ok_or_else(not_vectors)?;
        // Larger numbers would become infinite on their way, and match nothing.
        Some(number as f32).filter(|number| number.is_finite()).ok_or_else(|| {
            wrong("a number of 'query_vector' is larger than a 32-bit float holds").with("place", place + 1)
        })
    });
    numbers.collect()
}

fn not_vectors() -> Error {
    wrong("'query_vector' is not a JSON array of numbers, nor an array of such arrays")
        .help("for example [0.1, -2, 3e-4]; JSON has no NaN and no infinity")
}

fn wrong(what: &'static str) -> Error {
    Error::new(ErrorKind::Config, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_vector_or_several_inline_or_in_a_file() {
        assert_eq!(vectors("[1, -2.5e0]").unwrap(), [[1.0, -2.5]]);
        assert_eq!(vectors(" [[1],[2]]").unwrap(), [[1.0], [2.0]]);
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("vector.json");
        fs::write(&path, "[[0.5, 1], [1, 2]]\n").unwrap();
        assert_eq!(vectors(path.to_str().unwrap()).unwrap(), [[0.5, 1.0], [1.0, 2.0]]);
    }

    #[test]
    fn what_is_no_vector_is_refused_and_not_shown() {
        for (given, part) in [
            ("[]", "not a JSON array"),
            ("[[]]", "not a JSON array"),
            ("[1, [2]]", "not a JSON array"),
            ("[NaN]", "not a JSON array"),
            ("[1, null]", "not a JSON array"),
            ("[\"MARKER\"]", "not a JSON array"),
            ("[1, 1e39]", "larger than a 32-bit float"),
            ("/no/such/MARKER", "cannot be read"),
        ] {
            let error = vectors(given).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{given}");
            assert!(error.to_string().contains(part) && !error.to_string().contains("MARKER"), "{error}");
        }
    }
}
