//! A Parquet file in an object store, for the Parquet reader.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use deltalake::{
    ObjectStore, Path,
    logstore::object_store::ObjectStoreExt,
    parquet::{
        arrow::{arrow_reader::ArrowReaderOptions, async_reader::AsyncFileReader},
        errors::{ParquetError, Result},
        file::metadata::{ParquetMetaData, ParquetMetaDataReader},
    },
};
use futures::{FutureExt, future::BoxFuture};

/// Bytes read at once from the end of a file: most footers fit.
const FOOTER_BYTES: usize = 64 * 1024;

pub(crate) struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

impl ObjectReader {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Self {
        Self { store, path, size }
    }
}

impl AsyncFileReader for ObjectReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.store.get_range(&self.path, range).await.map_err(|e| ParquetError::External(Box::new(e))) }
            .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(|e| ParquetError::External(Box::new(e))) }
            .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            if self.size == 0 {
                let meta = self.store.head(&self.path).await.map_err(|e| ParquetError::External(Box::new(e)))?;
                self.size = meta.size;
            }
            let size = self.size;
            let reader = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
            Ok(Arc::new(reader.load_and_finish(self, size).await?))
        }
        .boxed()
    }
}
