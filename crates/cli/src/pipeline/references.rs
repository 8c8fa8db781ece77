//! `${env:NAME}` and `${file:PATH}`: secrets by reference, so that no file and no command line holds them.

use std::path::Path;

use crate::files;

/// Replaces every reference in `text`; `$${` stands for a literal `${`. Relative paths start at `base`.
///
/// The problem of a reference that cannot be resolved names the variable or file, never a value.
pub(crate) fn resolve(text: &str, base: &Path) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, reference) = rest.split_at(at);
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = &reference[2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = reference.find('}') else {
            return Err("has '${' without '}'; write '$${' for a literal '${'".to_owned());
        };
        out.push_str(&look_up(&reference[2..end], base)?);
        rest = &reference[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether `text` holds a reference.
pub(crate) fn is_reference(text: &str) -> bool {
    text.match_indices("${").any(|(at, _)| !text[..at].ends_with('$'))
}

fn look_up(reference: &str, base: &Path) -> Result<String, String> {
    match reference.split_once(':') {
        Some(("env", name)) => std::env::var(name).map_err(|why| match why {
            std::env::VarError::NotPresent => format!("refers to the environment variable '{name}', which is not set"),
            std::env::VarError::NotUnicode(_) => {
                format!("refers to the environment variable '{name}', which is not UTF-8 text")
            }
        }),
        Some(("file", path)) => {
            let text = std::fs::read_to_string(base.join(path))
                .map_err(|why| format!("refers to the file '{path}', which cannot be read: {}", files::why(&why)))?;
            Ok(text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t)).to_owned())
        }
        _ => {
            Err("has a reference that is neither ${env:NAME} nor ${file:PATH}; write '$${' for a literal '${'"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_variables_are_put_in_and_the_last_line_end_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "s3cret\r\n").unwrap();
        assert_eq!(resolve("Bearer ${file:token}!", dir.path()).unwrap(), "Bearer s3cret!");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(resolve("${env:PATH}", dir.path()).unwrap(), path);
    }

    #[test]
    fn text_without_references_and_escapes_stay() {
        let here = Path::new(".");
        assert_eq!(resolve("a $5 {b}", here).unwrap(), "a $5 {b}");
        assert_eq!(resolve("$${env:X}", here).unwrap(), "${env:X}");
        assert!(!is_reference("$${env:X}") && is_reference("x${env:X}"));
    }

    #[test]
    fn what_cannot_be_resolved_says_which_and_how() {
        let here = Path::new(".");
        assert!(resolve("${env:LAKEFLOW_NOT_SET}", here).unwrap_err().contains("'LAKEFLOW_NOT_SET', which is not set"));
        assert!(resolve("${file:/no/such/file}", here).unwrap_err().contains("'/no/such/file'"));
        assert!(resolve("${vault:x}", here).unwrap_err().contains("neither"));
        assert!(resolve("${env:X", here).unwrap_err().contains("without '}'"));
    }
}
