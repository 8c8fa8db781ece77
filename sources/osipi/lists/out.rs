//! Where the rows of a list go.

use bytes::Bytes;
use serde_json::Value;

use super::super::{
    fields,
    items::{Items, Listing},
    ledger::Object,
    reading::Reading,
    rows::{Filler, Rows},
};
use crate::{
    error::{Error, Result},
    read::{BadRows, QuarantinedRow, ReadEvent, Records},
    stream::Events,
};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// The rows of one read, sent batch by batch.
pub(super) struct Out {
    pub(super) reading: Reading,
    events: Events,
    rows: Rows,
    bad_rows: BadRows,
    bad: Vec<QuarantinedRow>,
}

impl Out {
    pub(super) fn new(reading: Reading, events: Events, bad_rows: BadRows) -> Result<Self> {
        let rows = Rows::new(&reading, reading.now())?;
        Ok(Self { reading, events, rows, bad_rows, bad: Vec::new() })
    }

    /// The parameter that asks for just the fields that the columns need, and `more`.
    pub(super) fn selected(&self, more: &[&str]) -> (&'static str, String) {
        let wanted = fields::selected(self.rows.fields(), self.reading.options.selected_fields.as_deref());
        let mut fields: Vec<String> = wanted.iter().map(|field| format!("Items.{field}")).collect();
        fields.extend(more.iter().map(|field| format!("Items.{field}")));
        fields.push("Links.Next".to_owned());
        ("selectedFields", fields.join(";"))
    }

    /// Adds a row: decoded columns from an item, the others by `fill`.
    pub(super) fn row(&mut self, item: &[u8], fill: impl FnOnce(&mut Filler<'_>) -> Result<()>) -> Result<()> {
        self.bad.extend(self.rows.push(item, self.bad_rows, fill)?);
        Ok(())
    }

    /// Adds the items of a page, all filled in the same way, and sends what is ready.
    pub(super) async fn page(&mut self, items: &Items, fill: impl Fn(&mut Filler<'_>)) -> Result<()> {
        for item in items.iter() {
            self.row(item, |row| {
                fill(row);
                Ok(())
            })?;
        }
        self.send_ready().await
    }

    /// Adds a whole list, all filled in the same way. A list that cannot be read is told with its owner.
    pub(super) async fn list(
        &mut self,
        owner: Object<'_>,
        listing: Listing,
        fill: impl Fn(&mut Filler<'_>),
    ) -> Result<()> {
        let mut pages = self.reading.client().items(listing);
        loop {
            match pages.next().await {
                Ok(Some(items)) => self.page(&items, &fill).await?,
                Ok(None) => return Ok(()),
                Err(error) => return self.failed(owner, error),
            }
        }
    }

    /// Tells that an object could not be read: ends the read, or puts the object aside and goes on.
    ///
    /// A snapshot without it is not whole: the host is told by a quarantined row, so that nothing of it is removed.
    pub(super) fn failed(&mut self, object: Object<'_>, error: Error) -> Result<()> {
        let reason = error.message().to_owned();
        self.reading.tolerate(object, error)?;
        let key = serde_json::json!({ "object": object.webid.or(object.name) });
        self.bad.push(QuarantinedRow {
            key: Some(key.to_string()),
            column: String::new(),
            reason,
            record: Bytes::from(Value::Object(Default::default()).to_string()),
        });
        Ok(())
    }

    /// Sends the rows when there are enough for a batch.
    pub(super) async fn send_ready(&mut self) -> Result<()> {
        if self.rows.len() >= BATCH_ROWS { self.send().await } else { Ok(()) }
    }

    /// Sends all that is left.
    pub(super) async fn send(&mut self) -> Result<()> {
        if self.rows.len() > 0 {
            let batch = self.rows.flush()?;
            self.events.send(ReadEvent::Records(Records::Arrow(batch))).await?;
        }
        if !self.bad.is_empty() {
            self.events.send(ReadEvent::Quarantined(std::mem::take(&mut self.bad))).await?;
        }
        Ok(())
    }
}
