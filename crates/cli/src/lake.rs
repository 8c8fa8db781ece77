//! The directory that the Delta tables of a run share.

use std::path::{Component, Path, PathBuf};

use lakeflow_connect::{Error, ErrorKind, Result};
use url::Url;

use crate::files;

/// Everything of ours in the directory that is not a table.
const OURS: &str = "_lakeflow";

/// A directory of Delta tables: a path, or a URL of an object store.
#[derive(Clone, Debug)]
pub(crate) struct Lake {
    shown: String,
    root: Url,
    path: Option<PathBuf>,
}

impl Lake {
    /// The directory at a path or URL; nothing is made yet.
    pub(crate) fn at(to: &Path) -> Result<Self> {
        let text =
            to.to_str().ok_or_else(|| Error::new(ErrorKind::Config, "the destination's path is not UTF-8 text"))?;
        let root = lakeflow_sync::destination(text)?;
        let path = root.to_file_path().ok();
        Ok(Self { shown: text.to_owned(), root, path })
    }

    /// The directory of a table; `relative` is a plain relative path.
    pub(crate) fn table(&self, relative: &Path) -> Result<Url> {
        let plain = |part: Component<'_>| match part {
            Component::Normal(name) if name != OURS => Some(name.to_string_lossy().into_owned()),
            _ => None,
        };
        let relative = relative.components().map(plain).collect::<Option<Vec<String>>>().ok_or_else(|| {
            Error::new(ErrorKind::Config, "the table's name cannot be the name of a directory")
                .with("table", relative.display())
                .help("give it a 'destination_table' in a pipeline file")
        })?;
        let mut url = self.root.clone();
        let broken = || Error::new(ErrorKind::Config, "the destination cannot hold tables");
        url.path_segments_mut().map_err(|()| broken())?.pop_if_empty().extend(relative).push("");
        Ok(url)
    }

    /// The tables in the directory: every directory below it, at most three deep, that holds a Delta log.
    pub(crate) fn tables(&self) -> Result<Vec<PathBuf>> {
        let root = self.path.as_deref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "tables of an object store cannot be listed")
                .help("name them with --table")
        })?;
        let mut found = Vec::new();
        find_tables(root, Path::new(""), 3, &mut found).map_err(|why| {
            Error::new(ErrorKind::Sink, format!("the destination cannot be read: {}", files::why(&why)))
                .with("destination", &self.shown)
                .help("check the path given with --to")
        })?;
        found.sort();
        Ok(found)
    }

    /// Where receipts go; `None` on an object store.
    pub(crate) fn receipts(&self) -> Option<PathBuf> {
        self.path.as_ref().map(|path| path.join(OURS).join("receipts"))
    }

    /// Whether the directory is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.path.is_some()
    }

    /// The directory as the user wrote it.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

fn find_tables(root: &Path, below: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(root.join(below))? {
        let entry = entry?;
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with(['_', '.']);
        if hidden || !entry.file_type()?.is_dir() {
            continue;
        }
        let relative = below.join(&name);
        if root.join(&relative).join("_delta_log").is_dir() {
            found.push(relative);
        } else if depth > 1 {
            find_tables(root, &relative, depth - 1, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_below_schemas_and_our_own_folders_are_not_tables() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["Patient/_delta_log", "clinic/visits/_delta_log", "_lakeflow/receipts", "empty"] {
            std::fs::create_dir_all(dir.path().join(path)).unwrap();
        }
        let lake = Lake::at(dir.path()).unwrap();
        assert_eq!(lake.tables().unwrap(), [Path::new("Patient"), Path::new("clinic/visits")]);
        let url = lake.table(Path::new("clinic/visits")).unwrap();
        assert!(url.path().ends_with("/clinic/visits/"), "{url}");
    }

    #[test]
    fn a_table_cannot_leave_the_directory() {
        let lake = Lake::at(Path::new("/lake")).unwrap();
        for name in ["../up", "/etc", "a/../../b", "_lakeflow"] {
            assert_eq!(lake.table(Path::new(name)).unwrap_err().kind(), ErrorKind::Config, "{name}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        let error = Lake::at(Path::new("/no/such/lake")).unwrap().tables().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Sink);
    }
}
