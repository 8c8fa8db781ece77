//! Why a file or directory could not be had, in words.

use std::io::{Error, ErrorKind};

/// The reason, to stand after a colon.
pub(crate) fn why(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or directory",
        ErrorKind::PermissionDenied => "permission was denied",
        ErrorKind::NotADirectory => "a file is where a directory should be",
        ErrorKind::IsADirectory => "it is a directory",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "there is no space left",
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only",
        ErrorKind::InvalidData => "it is not UTF-8 text",
        _ => "the operating system reports an error",
    }
}
