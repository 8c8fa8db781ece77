//! Summaries in an answer: which is of which interval.

use std::sync::Arc;

use super::{
    super::{
        items::text_member,
        time::Micros,
        values::{PointKind, Values},
    },
    question::Intervals,
};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
};

/// The summaries that PI knows, as the server spells them.
pub(super) const TYPES: [&str; 10] = [
    "Total",
    "Average",
    "Minimum",
    "Maximum",
    "Range",
    "StdDev",
    "PopulationStdDev",
    "Count",
    "PercentGood",
    "TotalWithUOM",
];
/// All of them at once.
pub(super) const ALL: &str = "All";

/// What a row is of, beside its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beside {
    pub(super) summary: Arc<str>,
    pub(super) span: (Micros, Micros),
}

/// Reads the summaries of an answer into rows; those after the wanted intervals are passed over.
///
/// The server gives a summary of each type for each interval, in the order of time; its timestamp may be that of an event
/// inside. So the n-th of a type is the one of the n-th interval.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol) when there are fewer than intervals; else as for values.
pub(super) fn read(body: &[u8], intervals: &Intervals, values: &mut Values) -> Result<Vec<Beside>> {
    let mut rows = Vec::new();
    let mut seen: Vec<(Arc<str>, u32)> = Vec::new();
    let mut s = Scanner::from_utf8(body)?;
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        if key != "Items" || s.peek()? != Kind::Array {
            s.skip_value()?;
            continue;
        }
        s.enter_array()?;
        while s.next_element()? {
            let item = s.skip()?;
            let summary = text_member(item, "Type")?.ok_or_else(|| broken("a summary does not say what it is"))?;
            let place = match seen.iter().position(|(known, _)| **known == *summary) {
                Some(place) => place,
                None => {
                    seen.push((summary.into(), 0));
                    seen.len() - 1
                }
            };
            let Some((summary, count)) = seen.get_mut(place) else { continue };
            let index = *count;
            *count += 1;
            if index < intervals.count {
                value(item, values)?;
                rows.push(Beside { summary: Arc::clone(summary), span: intervals.span(index) });
            }
        }
    }
    s.end()?;
    if seen.is_empty() || seen.iter().any(|(_, count)| *count < intervals.count) {
        return Err(broken("the server's answer has fewer summaries than intervals").with("intervals", intervals.count));
    }
    Ok(rows)
}

fn value(item: &str, values: &mut Values) -> Result<()> {
    let mut s = Scanner::new(item);
    s.enter_object()?;
    let mut found = false;
    while let Some(key) = s.next_key()? {
        if key == "Value" && !found && s.peek()? == Kind::Object {
            values.value(&mut s, item, PointKind::Number)?;
            found = true;
        } else {
            s.skip_value()?;
        }
    }
    if found { Ok(()) } else { Err(broken("a summary has no value")) }
}

fn broken(why: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOURS: Intervals = Intervals { from: 0, to: 7_200, length: 3_600, count: 2 };

    fn item(summary: &str, second: u32, value: &str) -> String {
        format!(
            r#"{{"Value":{{"Timestamp":"2026-03-01T06:00:{second:02}Z","Good":true,"Value":{value}}},"Type":"{summary}"}}"#
        )
    }

    fn read_items(items: &[String]) -> Result<(Vec<Beside>, usize)> {
        let mut values = Values::new(0);
        let body = format!(r#"{{"Links":{{}},"Items":[{}]}}"#, items.join(","));
        read(body.as_bytes(), &HOURS, &mut values).map(|rows| (rows, values.rows()))
    }

    #[test]
    fn the_nth_of_a_type_is_of_the_nth_interval_however_they_are_mixed() {
        let items = [
            item("Minimum", 7, "1.5"),
            item("Count", 0, "3"),
            item("Minimum", 59, "2"),
            item("Count", 1, "4"),
            item("Count", 2, "9"),
        ];
        let (rows, count) = read_items(&items).unwrap();
        let found: Vec<_> = rows.iter().map(|row| (&*row.summary, row.span.0)).collect();
        assert_eq!(found, [("Minimum", 0), ("Count", 0), ("Minimum", 3_600), ("Count", 3_600)]);
        assert_eq!(count, 4, "what follows the wanted intervals is no row");
    }

    #[test]
    fn an_answer_that_lacks_intervals_is_refused() {
        for items in [vec![], vec![item("Count", 0, "3")], vec![r#"{"Type":"Count"}"#.to_owned(); 2]] {
            assert_eq!(read_items(&items).unwrap_err().kind(), ErrorKind::Protocol);
        }
    }
}
