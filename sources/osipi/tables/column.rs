//! How a column is written down.

use crate::types::{DataType, StructField};

/// A column: name, type, whether it may be null, whose it is, and where a list item has its value.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Column {
    pub(in super::super) name: &'static str,
    pub(in super::super) kind: Kind,
    pub(in super::super) source: Source,
    /// Whether the public connector has it.
    pub(super) upstream: bool,
    null: Null,
    /// Whether it tells when the row was read.
    read_time: bool,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Text,
    Boolean,
    Long,
    Double,
    Timestamp,
    Date,
    /// Texts, none of them null.
    Texts,
    /// Texts by name.
    TextMap,
}

/// Where the value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Source {
    /// At this path of the item.
    Path(&'static str),
    /// At this path; a WebID, which is brought into its one spelling.
    WebId(&'static str),
    /// The JSON text at this path.
    Json(&'static str),
    /// The reader fills it in.
    Filled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Null {
    Yes,
    /// Only in the public connector's schema.
    Upstream,
    Never,
}

const fn column(name: &'static str, kind: Kind, upstream: bool) -> Column {
    Column { name, kind, source: Source::Filled, upstream, null: Null::Yes, read_time: false }
}

/// A column that the public connector has.
pub(super) const fn up(name: &'static str, kind: Kind) -> Column {
    column(name, kind, true)
}

/// A column of ours.
pub(super) const fn own(name: &'static str, kind: Kind) -> Column {
    column(name, kind, false)
}

impl Column {
    /// Never null.
    pub(super) const fn never(self) -> Self {
        Self { null: Null::Never, ..self }
    }

    /// Never null, though the public connector's schema would allow it.
    pub(super) const fn never_ours(self) -> Self {
        Self { null: Null::Upstream, ..self }
    }

    /// Tells when the row was read, and nothing of what was read.
    pub(super) const fn read_time(self) -> Self {
        Self { read_time: true, ..self }
    }

    pub(super) const fn at(self, path: &'static str) -> Self {
        Self { source: Source::Path(path), ..self }
    }

    pub(super) const fn webid(self, path: &'static str) -> Self {
        Self { source: Source::WebId(path), ..self }
    }

    pub(super) const fn json(self, path: &'static str) -> Self {
        Self { source: Source::Json(path), ..self }
    }

    /// The column in a schema: ours, or the public connector's.
    pub(super) fn field(&self, upstream: bool) -> StructField {
        let data_type = match self.kind {
            Kind::Text => DataType::String,
            Kind::Boolean => DataType::Boolean,
            Kind::Long => DataType::Long,
            Kind::Double => DataType::Double,
            Kind::Timestamp => DataType::Timestamp,
            Kind::Date => DataType::Date,
            Kind::Texts => DataType::array(DataType::String),
            Kind::TextMap => DataType::map(DataType::String, DataType::String),
        };
        let field = match self.null {
            Null::Never => StructField::required(self.name, data_type),
            Null::Upstream if !upstream => StructField::required(self.name, data_type),
            Null::Yes | Null::Upstream => StructField::new(self.name, data_type),
        };
        if self.read_time && !upstream { field.read_time() } else { field }
    }
}

/// The start of the read, the same in all rows of it.
pub(super) const INGESTED: Column = up("ingestion_timestamp", Kind::Timestamp).never().read_time();
/// The same, where the public connector lacks it.
pub(super) const OWN_INGESTED: Column = own("ingestion_timestamp", Kind::Timestamp).never().read_time();
/// When the run was frozen that read an event frame.
pub(super) const CURSOR: Column = own("cursor_ts", Kind::Timestamp).never().read_time();
