//! What is read out of an event frame before it becomes a row.

use bytes::Bytes;

use super::{
    super::{time::Ticks, webid::WebId},
    tracker::Head,
};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
};

/// An event frame as the server sent it.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    pub(super) head: Head,
    /// Its JSON text.
    pub(super) text: Bytes,
    pub(super) is_annotated: bool,
    /// Who and when; `None` when nobody has.
    pub(super) acknowledged: Option<Acknowledged>,
    /// WebIDs, the primary element first where it is known.
    pub(super) elements: Vec<String>,
    pub(super) primary: Option<String>,
    /// The event frame that it is a child of.
    pub(super) parent: Option<String>,
    /// The AF database that it is in, where the server says.
    pub(super) database: Option<String>,
    pub(super) id: Option<String>,
    /// Names and values.
    pub(super) extended: Vec<(String, Option<String>)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Acknowledged {
    pub(super) by: Option<String>,
    /// As the server wrote it.
    pub(super) at: Option<String>,
}

/// An open frame ends in the last day of the calendar.
const OPEN_FROM: Ticks = Ticks(super::tracker::FAR);

impl Frame {
    /// Reads an item of a list of event frames.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for an item without WebID or start.
    pub(super) fn parse(text: Bytes) -> Result<Self> {
        let mut found = Found::default();
        found.read(&mut Scanner::from_utf8(&text)?)?;
        let lacks = |what: &'static str| {
            Error::new(ErrorKind::Protocol, "the server sent an event frame without what every event frame has")
                .with("missing", what)
        };
        let webid = found.webid.map(|webid| canonical(&webid)).ok_or_else(|| lacks("WebId"))?;
        let start = time(found.start.as_deref()).ok_or_else(|| lacks("StartTime").with("webid", &webid))?;
        let end = time(found.end.as_deref()).filter(|end| *end < OPEN_FROM);
        let mut elements: Vec<String> = found.elements.iter().map(|webid| canonical(webid)).collect();
        let primary = found.primary.as_deref().and_then(webid_in_link).or_else(|| elements.first().cloned());
        if let Some(primary) = &primary {
            elements.retain(|element| element != primary);
            elements.insert(0, primary.clone());
        }
        Ok(Self {
            head: Head { webid, start: start.0, end: end.map(|end| end.0) },
            is_annotated: found.is_annotated,
            acknowledged: found
                .is_acknowledged
                .then_some(Acknowledged { by: found.acknowledged_by, at: found.acknowledged_at }),
            elements,
            primary,
            parent: found.parent.as_deref().and_then(webid_in_link),
            database: found.database.as_deref().and_then(webid_in_link),
            id: found.id,
            extended: found.extended,
            text,
        })
    }

    pub(super) fn start(&self) -> Ticks {
        Ticks(self.head.start)
    }

    pub(super) fn end(&self) -> Option<Ticks> {
        self.head.end.map(Ticks)
    }
}

fn time(text: Option<&str>) -> Option<Ticks> {
    text.and_then(Ticks::parse)
}

/// The one spelling of a WebID; as it is where it has none.
pub(super) fn canonical(webid: &str) -> String {
    WebId::parse(webid).map_or_else(|_| webid.to_owned(), |webid| webid.to_string())
}

/// The WebID at the end of an address.
fn webid_in_link(link: &str) -> Option<String> {
    let path = link.split(['?', '#']).next()?;
    WebId::parse(path.rsplit('/').next()?).ok().map(|webid| webid.to_string())
}

#[derive(Default)]
struct Found {
    webid: Option<String>,
    id: Option<String>,
    start: Option<String>,
    end: Option<String>,
    is_annotated: bool,
    is_acknowledged: bool,
    acknowledged_by: Option<String>,
    acknowledged_at: Option<String>,
    elements: Vec<String>,
    primary: Option<String>,
    parent: Option<String>,
    database: Option<String>,
    extended: Vec<(String, Option<String>)>,
}

impl Found {
    fn read(&mut self, s: &mut Scanner) -> Result<()> {
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            match (&*key, s.peek()?) {
                ("WebId", Kind::String) => self.webid = Some(s.string()?.into_owned()),
                ("Id", Kind::String) => self.id = Some(s.string()?.into_owned()),
                ("StartTime", Kind::String) => self.start = Some(s.string()?.into_owned()),
                ("EndTime", Kind::String) => self.end = Some(s.string()?.into_owned()),
                ("IsAnnotated", Kind::Boolean) => self.is_annotated = s.boolean()?,
                ("IsAcknowledged", Kind::Boolean) => self.is_acknowledged = s.boolean()?,
                ("AcknowledgedBy", Kind::String) => self.acknowledged_by = Some(s.string()?.into_owned()),
                ("AcknowledgedDate", Kind::String) => self.acknowledged_at = Some(s.string()?.into_owned()),
                ("RefElementWebIds", Kind::Array) => self.elements = texts(s)?,
                ("Links", Kind::Object) => self.links(s)?,
                ("ExtendedProperties", Kind::Object) => self.extended = properties(s)?,
                _ => s.skip_value()?,
            }
        }
        Ok(())
    }

    fn links(&mut self, s: &mut Scanner) -> Result<()> {
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            match (&*key, s.peek()?) {
                ("PrimaryReferencedElement", Kind::String) => self.primary = Some(s.string()?.into_owned()),
                ("Parent", Kind::String) => self.parent = Some(s.string()?.into_owned()),
                ("Database", Kind::String) => self.database = Some(s.string()?.into_owned()),
                _ => s.skip_value()?,
            }
        }
        Ok(())
    }
}

fn texts(s: &mut Scanner) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    s.enter_array()?;
    while s.next_element()? {
        match s.peek()? {
            Kind::String => texts.push(s.string()?.into_owned()),
            _ => s.skip_value()?,
        }
    }
    Ok(texts)
}

/// Properties by name; a value stands in a member `Value` of its own.
fn properties(s: &mut Scanner) -> Result<Vec<(String, Option<String>)>> {
    let mut properties = Vec::new();
    s.enter_object()?;
    while let Some(name) = s.next_key()? {
        let name = name.into_owned();
        let value = if s.peek()? == Kind::Object { member_text(s, "Value")? } else { value_text(s)? };
        properties.push((name, value));
    }
    Ok(properties)
}

/// The text of one member of an object; of the whole object when it has no such member.
pub(super) fn member_text(s: &mut Scanner, member: &str) -> Result<Option<String>> {
    let whole = s.clone().skip()?;
    let mut found = None;
    let mut is_there = false;
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        if key == member {
            is_there = true;
            found = value_text(s)?;
        } else {
            s.skip_value()?;
        }
    }
    Ok(if is_there { found } else { Some(whole.to_owned()) })
}

/// A value as text: text as it is, `null` as nothing, everything else as its JSON.
pub(super) fn value_text(s: &mut Scanner) -> Result<Option<String>> {
    Ok(match s.peek()? {
        Kind::String => Some(s.string()?.into_owned()),
        Kind::Null => {
            s.null()?;
            None
        }
        _ => Some(s.skip()?.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBID: &str = "I1FmAAAAAAAAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBBBBBBB";
    const ELEMENT: &str = "I1Em1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8A";
    const OTHER: &str = "I1Em1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8B";

    fn parse(text: &str) -> Result<Frame> {
        Frame::parse(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn an_open_frame_has_no_end() {
        let text = |end: &str| format!(r#"{{"WebId":"{WEBID}","StartTime":"2026-03-01T06:00:00Z","EndTime":"{end}"}}"#);
        assert_eq!(parse(&text("9999-12-31T23:59:59.9999999Z")).unwrap().end(), None);
        let closed = parse(&text("2026-03-01T07:00:00.0000001Z")).unwrap();
        assert_eq!(closed.end(), Ticks::parse("2026-03-01T07:00:00.0000001Z"));
    }

    #[test]
    fn the_primary_element_comes_from_the_links_else_it_is_the_first() {
        let text = |links: &str| {
            format!(
                r#"{{"WebId":"{WEBID}","StartTime":"2026-03-01T06:00:00Z","RefElementWebIds":["{OTHER}","{ELEMENT}"],"Links":{links}}}"#
            )
        };
        let link = format!(r#"{{"PrimaryReferencedElement":"https://pi/piwebapi/elements/{ELEMENT}?x=1"}}"#);
        let frame = parse(&text(&link)).unwrap();
        assert_eq!(frame.primary.as_deref(), Some(ELEMENT));
        assert_eq!(frame.elements, [ELEMENT, OTHER]);
        assert_eq!(parse(&text("{}")).unwrap().primary.as_deref(), Some(OTHER));
    }

    #[test]
    fn properties_are_taken_out_of_their_objects() {
        let text = format!(
            r#"{{"WebId":"{WEBID}","StartTime":"2026-03-01T06:00:00Z",
                "ExtendedProperties":{{"a":{{"Value":"x"}},"b":{{"Value":1.50}},"c":{{"Value":null}},"d":"y","e":{{"f":1}}}}}}"#
        );
        let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let want = [some("a", "x"), some("b", "1.50"), ("c".to_owned(), None), some("d", "y"), some("e", r#"{"f":1}"#)];
        assert_eq!(parse(&text).unwrap().extended, want);
    }

    #[test]
    fn a_frame_without_key_or_start_is_an_error() {
        for text in
            ["{}", r#"{"WebId":"x"}"#, r#"{"StartTime":"2026-03-01T06:00:00Z"}"#, r#"{"WebId":"x","StartTime":"y"}"#]
        {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Protocol, "{text}");
        }
    }
}
