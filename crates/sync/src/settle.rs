//! Settling keyed rows of a commit against a table: with the newest row of each key, or with every version.

use lakeflow_connect::{Result, types::READ_TIME_KEY};

use crate::{
    filter::KeyFilter,
    job::{Landing, SyncOptions},
    keys::KeyCodec,
    merge::{History, Incoming, Merge, Outcome, Rule},
    rows::layout,
    scan::Scanner,
    sequence::{Moment, Sequence},
    shape::Shape,
    table::Table,
};

/// Settles commits of one keyed table.
#[derive(Debug)]
pub(crate) struct Settler {
    codec: KeyCodec,
    deletion_codec: KeyCodec,
    /// For tables that keep every version.
    history: Option<Sequence>,
    rule: Rule,
    by_read_time: bool,
}

impl Settler {
    /// Nothing for landings that do not look at keys.
    pub(crate) fn new(table: &Table, shape: &Shape) -> Result<Option<Self>> {
        if !shape.landing.needs_keys() {
            return Ok(None);
        }
        let of_source = KeyCodec::new(table.arrow(), &shape.keys, shape.cursor.as_deref())?;
        let cursor = of_source.cursor().and_then(|cursor| table.arrow().field_with_name(cursor.root()).ok());
        let is_history = shape.landing == Landing::History;
        Ok(Some(Self {
            deletion_codec: Shape::deletions(&of_source)?.1,
            by_read_time: cursor.is_some_and(|c| c.metadata().get(READ_TIME_KEY).is_some_and(|v| v == "true")),
            history: is_history.then(|| Sequence::new(table.arrow())).transpose()?,
            codec: if is_history { KeyCodec::new(table.arrow(), &shape.keys, None)? } else { of_source },
            rule: if shape.landing == Landing::Diff { Rule::Mirror } else { Rule::Newest },
        }))
    }

    /// Tells keys and hashes them.
    pub(crate) fn codec(&self) -> &KeyCodec {
        &self.codec
    }

    pub(crate) fn history(&self) -> Option<&Sequence> {
        self.history.as_ref()
    }

    /// Decides what a commit adds and removes. `taken_at`: when the whole table was taken, for histories of snapshots.
    pub(crate) async fn settle(
        &self,
        table: &Table,
        shape: &Shape,
        options: &SyncOptions,
        incoming: &Incoming<'_>,
        taken_at: Option<Moment>,
        learn: &mut Option<KeyFilter>,
    ) -> Result<Outcome> {
        let scanner = Scanner { store: table.store(), schema: table.arrow().clone() };
        let (layout, files) = (layout(table, shape, options)?, table.files().await?);
        let (codec, deletion_codec) = (&self.codec, &self.deletion_codec);
        let keys_per_pass = options.merge_keys;
        match &self.history {
            Some(sequence) => {
                let by_read_time = self.by_read_time;
                History { scanner, layout, codec, sequence, deletion_codec, taken_at, by_read_time, keys_per_pass }
                    .settle(incoming, files, learn)
                    .await
            }
            None => {
                Merge { scanner, layout, codec, deletion_codec, rule: self.rule, keys_per_pass }
                    .settle(incoming, files, learn)
                    .await
            }
        }
    }
}
