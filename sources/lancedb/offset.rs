//! Where a read has got to.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::{client::Version, config::TableOptions, filter::Literal};
use crate::{
    connector::OffsetPart,
    error::{Error, ErrorKind, Result},
    read::Offset,
};

/// The format of the offsets.
const FORMAT: u32 = 3;

/// How far a table was read: up to a version, or some rows into the way from one version to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// The table's id.
    table: String,
    /// The choice of rows: an offset of another choice says nothing of this one.
    filter: Option<String>,
    branch: Option<String>,
    /// What was read as a whole; nothing yet when absent.
    pub(super) at: Option<Mark>,
    /// What is being read after that.
    pub(super) next: Option<Part>,
}

/// A version of a table, and what has to be known of it to read on from there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub(super) version: u64,
    pub(super) fingerprint: String,
    /// Rows of that version, of those that are chosen.
    pub(super) rows: u64,
    /// Tells one choice of columns from another.
    pub(super) schema: String,
    pub(super) place: Place,
}

/// A version that was read in part: its rows in the server's order, which is the same each time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) mark: Mark,
    /// Rows that were sent.
    pub(super) sent: u64,
    /// Whether rows are in the order of their addresses, and not in the server's.
    pub(super) by_address: bool,
}

/// What tells the next read where to go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub(super) enum Place {
    /// Nothing: the table is read as a whole.
    Whole,
    /// Rows tell the version of their change.
    Versions(Lineage),
    /// As `Versions`, for deletions.
    Deletions(Lineage),
    /// New rows are in fragments above this one; there is none before the first row.
    Fragments { highest: Option<u64> },
    /// New rows have greater values in a column.
    Column(Reached),
}

/// What proves that a later version descends from this one: see [`lineage`](super::lineage).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Lineage {
    /// The latest change of any row.
    pub(super) peak: Option<u64>,
    /// Whether nothing was deleted since.
    pub(super) settled: bool,
}

/// How far a column was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reached {
    pub(super) name: String,
    /// The greatest value; absent when all were null.
    pub(super) last: Option<Literal>,
    /// Rows with that value.
    pub(super) ties: u64,
}

impl State {
    /// Nothing was read yet.
    pub(super) fn nothing(table: &str, options: &TableOptions) -> Self {
        let (filter, branch) = (options.filter.clone(), options.branch.clone());
        Self { table: table.to_owned(), filter, branch, at: None, next: None }
    }

    /// The same table and choice of rows, read up to a version.
    pub(super) fn reached(&self, mark: Mark) -> Self {
        Self { at: Some(mark), next: None, ..self.clone() }
    }

    /// The same, and some rows more on the way to a version.
    pub(super) fn on_the_way(&self, part: Part) -> Self {
        Self { next: Some(part), ..self.clone() }
    }

    /// The table and the choice of its rows.
    pub(super) fn subject(&self) -> (String, Option<String>) {
        (self.table.clone(), self.filter.clone())
    }

    /// The last version that it names.
    pub(super) fn last(&self) -> Option<&Mark> {
        self.next.as_ref().map(|part| &part.mark).or(self.at.as_ref())
    }

    pub(super) fn encode(&self) -> Result<Offset> {
        Offset::encode(FORMAT, self)
    }

    /// Reads an offset of this table and choice of rows.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) for one of another.
    pub(super) fn decode(offset: &Offset, table: &str, options: &TableOptions) -> Result<Self> {
        let state: Self = offset.decode(FORMAT)?;
        if state.table != table || state.filter != options.filter || state.branch != options.branch {
            return Err(expired("the offset belongs to another table, branch or filter", table));
        }
        if state.last().is_none() {
            return Err(expired("the offset names no version of the table", table));
        }
        Ok(state)
    }
}

impl State {
    /// What it means, for people; no value of a row.
    pub(super) fn explained(&self) -> OffsetPart {
        let whole = self.at.as_ref();
        let shown = |mark: &Mark| match mark.committed() {
            Some(at) => format!("version {} of {}", mark.version, at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => format!("version {}", mark.version),
        };
        let being_read = self.next.as_ref().map_or("nothing".to_owned(), |part| {
            let order = if part.by_address { ", in the order of addresses" } else { "" };
            format!("{}: {} rows sent{order}", shown(&part.mark), part.sent)
        });
        OffsetPart::new(self.table.clone(), whole.map(shown))
            .detail("rows of that version", whole.map_or("none".to_owned(), |mark| mark.rows.to_string()))
            .detail("followed by", self.last().map_or("nothing".to_owned(), |mark| mark.place.explained()))
            .detail("being read", being_read)
    }
}

impl Place {
    fn explained(&self) -> String {
        match self {
            Self::Whole => "nothing: read as a whole when its version is new".to_owned(),
            Self::Versions(_) => "the versions of rows".to_owned(),
            Self::Deletions(_) => "row ids that are gone".to_owned(),
            Self::Fragments { highest: Some(highest) } => format!("fragments after {highest}"),
            Self::Fragments { highest: None } => "fragments, of which there were none".to_owned(),
            Self::Column(reached) => match reached.ties {
                0 => format!("column '{}', which was null in all rows", reached.name),
                ties => format!("column '{}', whose greatest value {ties} rows had", reached.name),
            },
        }
    }
}

impl Mark {
    /// When the version was committed, as the server told.
    fn committed(&self) -> Option<DateTime<Utc>> {
        let time = self.fingerprint.split('/').next()?;
        match time.parse() {
            Ok(millis) => DateTime::from_timestamp_millis(millis),
            Err(_) => DateTime::parse_from_rfc3339(time).ok().map(|at| at.to_utc()),
        }
    }

    /// Whether a version is the one that was read, and not one of the same number of another table.
    pub(super) fn is(&self, version: &Version) -> bool {
        self.version == version.number && self.fingerprint == version.fingerprint()
    }

    /// Whether both are the same rows and columns.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.version, &self.fingerprint, &self.schema) == (other.version, &other.fingerprint, &other.schema)
    }
}

impl Place {
    /// Whether the other is a place on the same way through a table.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Column(a), Self::Column(b)) => a.name == b.name,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

/// An offset that cannot be honoured, and the way out.
pub(super) fn expired(why: &'static str, table: &str) -> Error {
    Error::new(ErrorKind::OffsetExpired, why)
        .with("table", table)
        .help("reset the table's state to read it in full again")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn options(filter: Option<&str>) -> TableOptions {
        let options = Options::new();
        TableOptions::parse(&filter.map_or(options.clone(), |filter| options.with("filter", filter))).unwrap()
    }

    fn mark(version: u64) -> Mark {
        let place = Place::Versions(Lineage { peak: Some(version), settled: true });
        Mark { version, fingerprint: "1/a/2".to_owned(), rows: 3, schema: "s".to_owned(), place }
    }

    #[test]
    fn an_offset_is_of_one_table_and_one_choice_of_rows() {
        let all = options(None);
        let state = State::nothing("people", &all).reached(mark(3)).on_the_way(Part {
            mark: mark(5),
            sent: 7,
            by_address: false,
        });
        let offset = state.encode().unwrap();
        assert_eq!(State::decode(&offset, "people", &all).unwrap(), state);
        for (table, filter) in [("places", None), ("people", Some("id = 1"))] {
            let error = State::decode(&offset, table, &options(filter)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::OffsetExpired);
        }
        let nothing = State::nothing("people", &all).encode().unwrap();
        assert_eq!(State::decode(&nothing, "people", &all).unwrap_err().kind(), ErrorKind::OffsetExpired);
    }

    #[test]
    fn an_offset_is_explained_without_a_value() {
        let nothing = State::nothing("people", &options(None));
        let reached = Reached { name: "at".to_owned(), last: Some(Literal::Text("MARKER".to_owned())), ties: 2 };
        let column = Mark { fingerprint: "1706700645123/a/2".to_owned(), place: Place::Column(reached), ..mark(7) };
        let on_the_way = Part { mark: mark(9), sent: 5, by_address: true };
        let shown = |state: State| {
            let part = state.explained();
            let details: Vec<_> = part.details.iter().map(|(what, value)| format!("{what}: {value}")).collect();
            format!("{} {} {}", part.name, part.watermark.unwrap_or_default(), details.join(", "))
        };
        assert_eq!(
            shown(nothing.reached(column)),
            "people version 7 of 2024-01-31T11:30:45.123Z rows of that version: 3, followed by: column 'at', whose \
             greatest value 2 rows had, being read: nothing"
        );
        assert_eq!(
            shown(nothing.on_the_way(on_the_way)),
            "people  rows of that version: none, followed by: the versions of rows, being read: version 9 of \
             1970-01-01T00:00:00.001Z: 5 rows sent, in the order of addresses"
        );
    }

    #[test]
    fn ways_through_a_table_are_told_apart() {
        let column = |name: &str| Place::Column(Reached { name: name.to_owned(), last: None, ties: 0 });
        assert!(column("a").is_like(&column("a")) && !column("a").is_like(&column("b")));
        assert!(!Place::Whole.is_like(&mark(1).place) && mark(1).place.is_like(&mark(2).place));
    }
}
