//! Tables with ties, superseded rows and deletions, and the suite that knows all about them.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use lakeflow_connect::{
    DataType, LakeflowConnect, StructField,
    testkit::{BadRow, Fault, MemorySource, MemoryTable, Suite},
};
use serde_json::json;

pub(crate) const SECRET: &str = "hunter2-marker";
/// Stands where a number belongs.
pub(crate) const BAD_VALUE: &str = "Ninety-Marker";
pub(crate) const PATIENT: &str = "Jane-Marker";

pub(crate) fn source() -> MemorySource {
    let columns = || {
        let name = [StructField::new("family", DataType::String), StructField::new("given", DataType::String)];
        [
            StructField::required("id", DataType::Long),
            StructField::new("name", DataType::structure(name)),
            StructField::new("beats", DataType::Long),
        ]
    };
    let source = MemorySource::new()
        .table(MemoryTable::cdc("visits").columns(columns()))
        .table(MemoryTable::cdc_with_deletes("people").columns(columns()))
        .table(MemoryTable::append("log").columns(columns()))
        .table(MemoryTable::snapshot("wards").columns(columns()));
    for table in ["visits", "people", "log", "wards"] {
        for commit in 0..8_i64 {
            let ids = [commit * 3, commit * 3 + 1, commit * 3 + 2, commit];
            source.commit(table, ids.map(|id| json!({"id": id, "name": {"family": PATIENT}, "beats": commit})));
        }
        source.commit(table, [json!({"id": 100}), json!({"id": 101})]);
    }
    source.delete("people", [json!({"id": 20}), json!({"id": 21})]);
    source.delete("people", [json!({"id": 17}), json!({"id": 18})]);
    source.delete("people", [json!({"id": 14}), json!({"id": 15})]);
    source
}

/// Knows how to make pages small, break the source and change it.
pub(crate) fn suite(
    source: &MemorySource,
    connect: impl Fn() -> Arc<dyn LakeflowConnect> + Send + Sync + 'static,
) -> Suite {
    let (once, lasting, over, changed) = (source.clone(), source.clone(), source.clone(), source.clone());
    let (bad, good) = (source.clone(), source.clone());
    let next = Arc::new(AtomicI64::new(1000));
    Suite::new(move || Ok(connect()))
        .size([("page_rows", "1"), ("partitions", "3")])
        .size([("page_rows", "7")])
        .max_records(2)
        .requests_ahead(2)
        .secrets([SECRET])
        .private_values([PATIENT])
        .fault(Fault::new("one failing answer", move || {
            once.fail_next(1);
            async {}
        }))
        .fault(
            Fault::new("no answer for long", move || {
                lasting.fail_next(1_000_000);
                async {}
            })
            .ended_by(move || {
                over.fail_next(0);
                async {}
            }),
        )
        .bad_row(
            BadRow::new("visits", "beats", BAD_VALUE, move || {
                bad.commit("visits", [json!({"id": 500, "beats": BAD_VALUE})]);
                async {}
            })
            .ended_by(move || {
                good.undo("visits");
                async {}
            }),
        )
        .change(move || {
            let id = next.fetch_add(1, Ordering::SeqCst);
            for table in ["visits", "people", "log", "wards"] {
                changed.commit(table, [json!({"id": id}), json!({"id": 3, "beats": id})]);
            }
            // The row of the last change, too: each change deletes one that was there.
            changed.delete("people", [json!({"id": 4}), json!({"id": id - 1})]);
            async {}
        })
}
