//! Tables that keep every version (`SCD_TYPE_2`): synced, killed, put together, reset.

use std::{collections::BTreeMap, fs::File, path::Path};

use chrono::{DateTime, Utc};
use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use lakeflow_connect::arrow::{
    array::{Array, AsArray},
    datatypes::TimestampMicrosecondType,
};

use crate::{
    kill::{End, Sync},
    support::{Source, files, lakeflow},
};

type Moment = DateTime<Utc>;

/// What each resource was, by when it became so, and until when.
type Versions = BTreeMap<(String, Moment), (Option<Moment>, String)>;

fn versions(table: &Path) -> Versions {
    let mut all = Versions::new();
    for file in files(table) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().build().unwrap();
        for batch in reader {
            let batch = batch.unwrap();
            let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
            let (ids, texts) = (text("id"), text("raw_json"));
            let [starts, ends, stamps] = ["__START_AT", "__END_AT", "lastUpdated"].map(|name| {
                let column = batch.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>().clone();
                move |row| column.is_valid(row).then(|| DateTime::from_timestamp_micros(column.value(row)).unwrap())
            });
            for row in 0..batch.num_rows() {
                assert_eq!(starts(row), stamps(row), "a version begins when the resource says");
                let key = (ids.value(row).to_owned(), starts(row).unwrap());
                let before = all.insert(key, (ends(row), texts.value(row).to_owned()));
                assert!(before.is_none(), "{} is there twice", ids.value(row));
            }
        }
    }
    all
}

/// The history is whole: current versions are what the server holds, the others end where the next ones begin, and no version
/// that was there before has gone.
fn assert_whole(source: &Source, table: &Path, before: &Versions) -> Versions {
    let found = versions(table);
    let all: Vec<_> = found.iter().collect();
    for pair in all.windows(2) {
        let [((id, _), (end, _)), ((next, start), _)] = pair else { continue };
        assert_eq!(*end, (id == next).then_some(*start), "{id}");
    }
    let current = found.iter().filter(|(_, (end, _))| end.is_none());
    let current: BTreeMap<_, _> =
        current.map(|((id, start), (_, text))| (id.clone(), (Some(*start), text.clone()))).collect();
    assert_eq!(current, source.expected("Patient"));
    for (key, (_, text)) in before {
        assert_eq!(found.get(key).map(|(_, text)| text), Some(text), "{} has gone", key.0);
    }
    found
}

#[test]
fn every_version_is_kept_whatever_kills_the_sync() {
    let mut random = fastrand::Rng::with_seed(4);
    let source = Source::with(&[("Patient", 300)]);
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("Patient");
    let sync = Sync { tables: &["Patient"], options: &["scd_type=SCD_TYPE_2"], commit_rows: 40, faulty: false };
    let mut before = Versions::new();
    for round in 0..4 {
        if round > 0 {
            source.write("Patient", 4);
        }
        for _ in 0..3 {
            let moment = (random.usize(0..10), std::time::Duration::from_micros(random.u64(0..40_000)));
            if matches!(sync.run_until(&source, dir.path(), Some(moment)), End::Finished) {
                break;
            }
        }
        assert!(matches!(sync.run_until(&source, dir.path(), None), End::Finished));
        before = assert_whole(&source, &table, &before);
        if round == 2 {
            lakeflow(["optimize", "--to", dir.path().to_str().unwrap()]).ok();
            before = assert_whole(&source, &table, &before);
        }
    }
    assert!(before.len() > 500, "{}", before.len());

    let to = dir.path().to_str().unwrap();
    lakeflow(["state", "reset", "--to", to, "--table", "Patient", "--rows", "keep"]).ok();
    assert!(matches!(sync.run_until(&source, dir.path(), None), End::Finished));
    assert_eq!(versions(&table), before, "what is read again is no new version");
    let other = source.sync(&["Patient"], dir.path());
    assert_eq!(other.code, 6, "{}", other.out);
    lakeflow(["state", "reset", "--to", to, "--table", "Patient", "--rows", "remove"]).ok();
    source.sync(&["Patient"], dir.path()).ok();
    source.assert_copied("Patient", dir.path());
}
