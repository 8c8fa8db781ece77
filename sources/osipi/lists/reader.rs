//! Reads a list table in full.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        reading::{Reading, TableReader},
        tables::List,
    },
    assets, attributes, catalogue, discovery, hierarchy, links,
    out::Out,
    system, table_rows, templates,
};
use crate::{
    error::Result,
    read::{Offset, ReadEvent, ReadRequest, ReadStream},
    stream::{limit_records, prefetch, produce},
};

const OFFSET_VERSION: u32 = 1;

/// When a snapshot was taken.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Taken {
    /// In microseconds since 1970.
    at: i64,
}

/// Reads a list table in full.
pub(in super::super) struct ListReader {
    pub(in super::super) reading: Reading,
    pub(in super::super) list: List,
}

#[async_trait]
impl TableReader for ListReader {
    fn events(&self, request: ReadRequest) -> ReadStream {
        let (reading, list) = (self.reading.clone(), self.list);
        let max_records = request.max_records;
        let events = produce(move |events| async move {
            for offset in [&request.start, &request.until].into_iter().flatten() {
                offset.decode::<Taken>(OFFSET_VERSION)?;
            }
            let end = match request.until {
                Some(until) => until,
                None => taken(&reading)?,
            };
            let mut out = Out::new(reading.clone(), events.clone(), request.bad_rows)?;
            let read = read(list, &mut out).await;
            read.map_err(|error| match error.get("table") {
                Some(_) => error,
                None => error.with("table", reading.table.name),
            })?;
            out.send().await?;
            events.send(ReadEvent::Checkpoint(end)).await
        });
        limit_records(prefetch(events, 1), max_records)
    }

    async fn latest_offset(&self, start: Option<&Offset>) -> Result<Option<Offset>> {
        if let Some(start) = start {
            start.decode::<Taken>(OFFSET_VERSION)?;
        }
        taken(&self.reading).map(Some)
    }

    fn watermark(&self, offset: &Offset) -> Option<DateTime<Utc>> {
        offset.decode::<Taken>(OFFSET_VERSION).ok().and_then(|taken| DateTime::from_timestamp_micros(taken.at))
    }
}

fn taken(reading: &Reading) -> Result<Offset> {
    Offset::encode(OFFSET_VERSION, &Taken { at: reading.now().timestamp_micros() })
}

async fn read(list: List, out: &mut Out) -> Result<()> {
    match list {
        List::DataServers => discovery::data_servers(out).await,
        List::Points => discovery::points(out).await,
        List::PointAttributes => discovery::point_attributes(out).await,
        List::PointTypeCatalog => discovery::point_types(out).await,
        List::AssetServers => assets::servers(out).await,
        List::AssetDatabases => assets::databases(out).await,
        List::AfHierarchy => hierarchy::elements(out).await,
        List::ElementAttributes => attributes::of_elements(out).await,
        List::ElementTemplates => templates::templates(out, templates::Of::Elements).await,
        List::EventFrameTemplates => templates::templates(out, templates::Of::EventFrames).await,
        List::ElementTemplateAttributes => templates::attributes(out, templates::Of::Elements, false).await,
        List::AttributeTemplates => templates::attributes(out, templates::Of::Elements, true).await,
        List::EventFrameTemplateAttributes => templates::attributes(out, templates::Of::EventFrames, false).await,
        List::Categories => catalogue::categories(out).await,
        List::Analyses => catalogue::analyses(out).await,
        List::AnalysisTemplates => catalogue::analysis_templates(out).await,
        List::AfTables => catalogue::tables(out).await,
        List::AfTableRows => table_rows::rows(out).await,
        List::UnitsOfMeasure => catalogue::units(out).await,
        List::Links => links::links(out).await,
        List::EnumerationSets => catalogue::enumeration_sets(out).await,
        List::EnumerationValues => catalogue::enumeration_values(out).await,
        List::AttributeTraits => assets::traits(out).await,
        List::System => system::system(out).await,
    }
}
