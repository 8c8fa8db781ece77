//! Errors of the storage layer, told safely: what class of thing went wrong, never the text underneath.
//!
//! Delta and Parquet errors may quote rows (a health record in a log is a leak), so their text only travels as
//! [`std::error::Error::source`], which [`Error`]'s `Display` does not print.

use std::{error::Error as StdError, io};

use deltalake::{DeltaTableError, ObjectStoreError, kernel::transaction::TransactionError};
use lakeflow_connect::{Error, ErrorKind, Retry};

/// What class of failure is somewhere in a chain of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    NoSpace,
    TooLarge,
    Permission,
    ReadOnly,
    NotADirectory,
    Missing,
    Features,
    AppendOnly,
    Conflict,
    NotATable,
    NoStore,
    BrokenLog,
    Other,
}

/// A safe error for a failed step of writing or reading a table.
pub(crate) fn sink<E: StdError + Send + Sync + 'static>(doing: &'static str, error: E) -> Error {
    let (what, help, retry) = match classify(&error) {
        Class::NoSpace => ("there is no space left", "free some space and run again", Retry::Later(None)),
        Class::TooLarge => {
            ("a file would be larger than allowed", "raise the file size limit and run again", Retry::Never)
        }
        Class::Permission => ("permission was denied", "check who may write to the destination", Retry::Never),
        Class::ReadOnly => ("the file system is read-only", "choose a destination that can be written", Retry::Never),
        Class::NotADirectory => ("a file is where a directory should be", "choose another destination", Retry::Never),
        Class::Missing => {
            ("a file of the table is missing", "check what else removes files of this table", Retry::Never)
        }
        Class::Features => (
            "the table uses Delta features that this program does not have",
            "choose another destination",
            Retry::Never,
        ),
        Class::AppendOnly => {
            ("the table only accepts appends", "unset delta.appendOnly or choose another destination", Retry::Never)
        }
        Class::Conflict => ("another writer changed the table at the same time", "run again", Retry::Later(None)),
        Class::NotATable => ("this is not a Delta table", "choose another destination", Retry::Never),
        Class::NoStore => (
            "this program does not write to such a place",
            "give a directory of this machine, or one that is mounted",
            Retry::Never,
        ),
        Class::BrokenLog => {
            ("the table's log could not be read", "check the table with another Delta reader", Retry::Never)
        }
        Class::Other => ("storage failed", "run again; the table is as it was before this commit", Retry::Later(None)),
    };
    Error::new(ErrorKind::Sink, format!("{doing}: {what}")).help(help).retryable(retry).caused_by(error)
}

/// Whether a commit failed only because another commit came first.
pub(crate) fn is_conflict(error: &DeltaTableError) -> bool {
    classify(error) == Class::Conflict
}

fn classify(error: &(dyn StdError + 'static)) -> Class {
    let mut next = Some(error);
    while let Some(e) = next {
        if let Some(class) = class_of(e) {
            return class;
        }
        // `io::Error::source` skips the error it wraps.
        next = match e.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => e.source(),
        };
    }
    Class::Other
}

fn class_of(e: &(dyn StdError + 'static)) -> Option<Class> {
    if let Some(io) = e.downcast_ref::<io::Error>() {
        return match io.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(Class::NoSpace),
            io::ErrorKind::FileTooLarge => Some(Class::TooLarge),
            io::ErrorKind::PermissionDenied => Some(Class::Permission),
            io::ErrorKind::ReadOnlyFilesystem => Some(Class::ReadOnly),
            io::ErrorKind::NotADirectory => Some(Class::NotADirectory),
            io::ErrorKind::NotFound => Some(Class::Missing),
            _ => None,
        };
    }
    if let Some(store) = e.downcast_ref::<ObjectStoreError>() {
        return match store {
            ObjectStoreError::PermissionDenied { .. } | ObjectStoreError::Unauthenticated { .. } => {
                Some(Class::Permission)
            }
            ObjectStoreError::NotFound { source, .. } => Some(match classify(source.as_ref()) {
                Class::Other => Class::Missing,
                class => class,
            }),
            _ => None,
        };
    }
    if let Some(transaction) = e.downcast_ref::<TransactionError>() {
        return match transaction {
            TransactionError::CommitConflict(_)
            | TransactionError::MaxCommitAttempts(_)
            | TransactionError::VersionAlreadyExists(_) => Some(Class::Conflict),
            TransactionError::DeltaTableAppendOnly => Some(Class::AppendOnly),
            TransactionError::UnsupportedTableFeatures(_) | TransactionError::TableFeaturesRequired(_) => {
                Some(Class::Features)
            }
            _ => None,
        };
    }
    match e.downcast_ref::<DeltaTableError>()? {
        DeltaTableError::VersionAlreadyExists(_) => Some(Class::Conflict),
        DeltaTableError::NotATable(_) => Some(Class::NotATable),
        DeltaTableError::InvalidTableLocation(_) => Some(Class::NoStore),
        DeltaTableError::InvalidJsonLog { .. } | DeltaTableError::InvalidStatsJson { .. } => Some(Class::BrokenLog),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_underneath_is_not_printed() {
        let error = sink("writing rows", DeltaTableError::Generic("row: MARKER-PATIENT".into()));
        let text = format!("{error} {error:?}");
        assert!(!text.contains("MARKER-PATIENT"), "{text}");
        assert!(text.contains("writing rows"), "{text}");
        assert!(error.source().is_some());
    }

    #[test]
    fn a_full_disk_is_found_under_wrappers() {
        let io = io::Error::from(io::ErrorKind::StorageFull);
        let wrapped = io::Error::other(ObjectStoreError::Generic { store: "local", source: Box::new(io) });
        let error = sink("writing rows", DeltaTableError::Io { source: wrapped });
        assert!(error.message().contains("no space left"), "{error}");
        assert_eq!(error.retry(), Retry::Later(None));
    }
}
