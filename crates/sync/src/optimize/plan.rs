//! Which files are written again.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{flow_id::lasting_hash, table::DataFile};

/// A partition whose new files are less than this share of its bytes (one in …) stays as it is.
const NEW_SHARE: u64 = 10;

/// Files of one partition that are written again together.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) files: Vec<DataFile>,
    pub(super) bytes: u64,
}

/// The part of file names that says which columns the rows are ordered by.
pub(super) fn mark_of(columns: &[String]) -> Option<String> {
    (!columns.is_empty()).then(|| format!("by-{:016x}", lasting_hash(&columns.join("\0"))))
}

/// What is worth being written again: with a mark, whole partitions that have enough files without it; without one,
/// files of less than half the target size where a partition has more than one of them.
pub(super) fn plan(files: Vec<DataFile>, mark: Option<&str>, target: u64) -> Vec<Work> {
    let mut partitions: BTreeMap<Vec<(String, Option<String>)>, Vec<DataFile>> = BTreeMap::new();
    for file in files {
        let mut partition: Vec<_> = file.partition.clone().into_iter().collect();
        partition.sort();
        partitions.entry(partition).or_default().push(file);
    }
    let bytes = |files: &[DataFile]| files.iter().map(|f| f.size).sum::<u64>();
    let worth = |files: Vec<DataFile>| match mark {
        Some(mark) => {
            let marked = |f: &&DataFile| f.path.filename().is_some_and(|name| name.contains(mark));
            let new = files.iter().filter(|f| !marked(f)).map(|f| f.size).sum::<u64>();
            (new > 0 && new * NEW_SHARE >= bytes(&files)).then_some(files)
        }
        None => {
            let small: Vec<_> = files.into_iter().filter(|f| f.size < target / 2).collect();
            (small.len() > 1).then_some(small)
        }
    };
    partitions.into_values().filter_map(worth).map(|files| Work { bytes: bytes(&files), files }).collect()
}

/// The columns whose bounds the log has in one of the files, as paths: written again, they keep them.
pub(super) fn columns_with_bounds(files: &[DataFile]) -> Vec<String> {
    let mut paths = Vec::new();
    for stats in files.iter().filter_map(|f| f.stats.as_deref()) {
        let Ok(Value::Object(stats)) = serde_json::from_str(stats) else { continue };
        if let Some(Value::Object(bounds)) = stats.get("minValues") {
            leaves(bounds, "", &mut paths);
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

fn leaves(bounds: &Map<String, Value>, parent: &str, paths: &mut Vec<String>) {
    for (name, value) in bounds {
        match value {
            Value::Object(inner) => leaves(inner, &format!("{parent}{name}."), paths),
            _ => paths.push(format!("{parent}{name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn file(name: &str, day: &str, size: u64) -> DataFile {
        let partition = HashMap::from([("day".to_owned(), Some(day.to_owned()))]);
        DataFile { path: name.into(), size, partition, stats: None, remove: None }
    }

    fn names(work: &[Work]) -> Vec<Vec<&str>> {
        work.iter().map(|w| w.files.iter().map(|f| f.path.as_ref()).collect()).collect()
    }

    #[test]
    fn small_files_of_one_partition_are_put_together() {
        let files =
            vec![file("a", "1", 10), file("b", "2", 10), file("c", "1", 20), file("d", "1", 90), file("e", "3", 90)];
        assert_eq!(names(&plan(files, None, 100)), [["a", "c"]]);
    }

    #[test]
    fn a_partition_is_ordered_again_when_a_tenth_of_it_is_new() {
        let mark = mark_of(&["tag".to_owned()]).unwrap();
        let ordered = |size| file(&format!("x.{mark}.parquet"), "1", size);
        let work = |files| plan(files, Some(&mark), 100).len();
        assert_eq!(work(vec![file("a", "1", 1)]), 1, "a single file is not ordered yet");
        assert_eq!(work(vec![ordered(100), ordered(100)]), 0);
        assert_eq!(work(vec![ordered(100), file("a", "1", 11)]), 0);
        assert_eq!(work(vec![ordered(100), file("a", "1", 12)]), 1);
        assert_ne!(mark_of(&["at".to_owned()]).unwrap(), mark);
    }

    #[test]
    fn columns_keep_their_bounds_wherever_they_are_nested() {
        let stats = r#"{"numRecords":1,"minValues":{"id":"a","meta":{"at":"x","n":1}},"maxValues":{}}"#;
        let file = DataFile { stats: Some(stats.to_owned()), ..file("a", "1", 1) };
        assert_eq!(columns_with_bounds(&[file]), ["id", "meta.at", "meta.n"]);
    }
}
