//! Application ids in the newest checkpoint of a table's log: all that is left of a flow after the log was cleaned up and
//! its documents were removed. The library only answers for an id that is already known.

use std::sync::Arc;

use arrow::{array::AsArray, compute::cast, datatypes::DataType};
use deltalake::{
    ObjectStore, Path,
    logstore::object_store::ObjectMeta,
    parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask},
};
use futures::TryStreamExt;
use lakeflow_connect::{Result, arrow};

use crate::{error::sink, object::ObjectReader};

const READING: &str = "reading the table's checkpoint";

/// The application ids that the newest checkpoint names; none when there is no checkpoint.
pub(crate) async fn app_ids(store: &Arc<dyn ObjectStore>) -> Result<Vec<String>> {
    let listing = store.list_with_delimiter(Some(&Path::from("_delta_log"))).await.map_err(|e| sink(READING, e))?;
    let parts: Vec<_> = listing.objects.into_iter().filter_map(|o| Some((version(&o.location)?, o))).collect();
    let newest = parts.iter().map(|(version, _)| *version).max();
    let mut ids = Vec::new();
    for (_, part) in parts.iter().filter(|(version, _)| Some(*version) == newest) {
        ids.extend(ids_in(store, part).await?);
    }
    Ok(ids)
}

/// The version of a checkpoint or of one of its parts; nothing for other files of the log.
fn version(path: &Path) -> Option<u64> {
    let (version, rest) = path.filename()?.split_once('.')?;
    let is_checkpoint = rest.starts_with("checkpoint.") && rest.ends_with("parquet");
    version.parse().ok().filter(|_| is_checkpoint)
}

async fn ids_in(store: &Arc<dyn ObjectStore>, part: &ObjectMeta) -> Result<Vec<String>> {
    let reader = ObjectReader::new(Arc::clone(store), part.location.clone(), part.size);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(|e| sink(READING, e))?;
    let column = ProjectionMask::columns(builder.parquet_schema(), ["txn.appId"]);
    let mut batches = builder.with_projection(column).build().map_err(|e| sink(READING, e))?;
    let mut ids = Vec::new();
    while let Some(batch) = batches.try_next().await.map_err(|e| sink(READING, e))? {
        let transactions = batch.column_by_name("txn").and_then(|c| c.as_struct_opt());
        let Some(app_ids) = transactions.and_then(|t| t.column_by_name("appId")) else { continue };
        let app_ids = cast(app_ids, &DataType::Utf8).map_err(|e| sink(READING, e))?;
        ids.extend(app_ids.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_told_from_other_files_of_the_log() {
        let of = |name: &str| version(&Path::from(format!("_delta_log/{name}")));
        assert_eq!(of("00000000000000000010.checkpoint.parquet"), Some(10));
        assert_eq!(of("00000000000000000010.checkpoint.0000000001.0000000002.parquet"), Some(10));
        assert_eq!(of("00000000000000000012.checkpoint.80a083e8-7026.parquet"), Some(12));
        for other in ["00000000000000000010.json", "_last_checkpoint", "00000000000000000010.crc", "x.parquet"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
