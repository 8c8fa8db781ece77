//! A page of search results: the Bundle around the resources, read in one pass.

use std::borrow::Cow;

use super::{instant::Instant, outcome};
use crate::{
    decode::{Kind, Member, Names, Scanner},
    error::{Error, ErrorKind, Result},
};

/// A Bundle whose entries are still to be read.
pub(super) struct Page<'a> {
    /// The address of the next page as the server wrote it; none on the last page.
    pub(super) next: Option<Cow<'a, str>>,
    /// The search as the server understood it, where it says so.
    pub(super) own: Option<Cow<'a, str>>,
    /// How many results the server says the search has.
    pub(super) total: Option<u64>,
    entries: Option<Scanner<'a>>,
    /// The members after `entry` were not read yet.
    unread: bool,
}

/// What stands in an entry beside its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A result of the search; also when the server does not say.
    Match,
    /// A resource that belongs to a result.
    Include,
    /// What the server has to say about the search.
    Outcome,
}

/// The names that are looked for around and at the top of each resource.
pub(super) struct Envelope {
    entry: Names<InEntry>,
    search: Names<()>,
    resource: Names<InResource>,
    meta: Names<InMeta>,
}

#[derive(Clone, Copy)]
enum InEntry {
    FullUrl,
    Resource,
    Search,
}

#[derive(Clone, Copy)]
enum InResource {
    Type,
    Id,
    Meta,
}

#[derive(Clone, Copy)]
enum InMeta {
    VersionId,
    LastUpdated,
    Tag,
}

impl Envelope {
    pub(super) fn new() -> Self {
        Self {
            entry: Names::new([
                ("fullUrl", InEntry::FullUrl),
                ("resource", InEntry::Resource),
                ("search", InEntry::Search),
            ]),
            search: Names::new([("mode", ())]),
            resource: Names::new([
                ("resourceType", InResource::Type),
                ("id", InResource::Id),
                ("meta", InResource::Meta),
            ]),
            meta: Names::new([
                ("versionId", InMeta::VersionId),
                ("lastUpdated", InMeta::LastUpdated),
                ("tag", InMeta::Tag),
            ]),
        }
    }

    fn search_mode(&self, scanner: &mut Scanner<'_>) -> Result<Mode> {
        // Nearly all of them.
        if scanner.passes(r#"{"mode":"match"}"#) {
            return Ok(Mode::Match);
        }
        let mut mode = Mode::Match;
        let mut members = self.search.enter(scanner)?;
        while let Some(member) = members.next(scanner)? {
            if member == Member::Other {
                scanner.skip()?;
                continue;
            }
            mode = match optional_text(scanner)?.as_deref() {
                Some("include") => Mode::Include,
                Some("outcome") => Mode::Outcome,
                _ => Mode::Match,
            };
        }
        Ok(mode)
    }
}

/// The members of a resource that decide what becomes of it.
#[derive(Debug, Default)]
pub(super) struct Header<'a> {
    pub(super) resource_type: Cow<'a, str>,
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) last_updated: Option<Cow<'a, str>>,
    pub(super) version: Option<Cow<'a, str>>,
    /// The server left parts out.
    pub(super) subsetted: bool,
}

impl<'a> Page<'a> {
    /// Reads up to the entries, and past them when the links stand behind them.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the text is not a Bundle of search results, or is an OperationOutcome.
    pub(super) fn open(text: &'a str) -> Result<Self> {
        let mut scanner = Scanner::new(text);
        let mut page = Self { next: None, own: None, total: None, entries: None, unread: false };
        let (mut is_bundle, mut has_links) = (false, false);
        scanner.enter_object()?;
        while let Some(key) = scanner.next_key()? {
            match &*key {
                "resourceType" => {
                    match &*scanner.string()? {
                        "Bundle" => is_bundle = true,
                        "OperationOutcome" => return Err(outcome::as_error(text)),
                        _ => return Err(not_a_bundle()),
                    };
                }
                "entry" => {
                    page.entries = Some(scanner.clone());
                    if is_bundle && has_links {
                        page.unread = true;
                        return Ok(page);
                    }
                    scanner.pass_over()?;
                }
                "link" => {
                    has_links = true;
                    (page.next, page.own) = links(&mut scanner)?;
                }
                "total" => page.total = scanner.skip()?.parse().ok(),
                _ => drop(scanner.skip()?),
            }
        }
        scanner.end()?;
        if is_bundle { Ok(page) } else { Err(not_a_bundle()) }
    }

    /// Whether all that stands outside the entries was read before them.
    pub(super) fn stands_at_its_entries(&self) -> bool {
        self.unread
    }

    /// Reads the entries. `resource` is called at each resource with the scanner in front of it and must read exactly
    /// that value; `entry` is called after each entry with what `resource` returned, where there was one.
    pub(super) fn each_entry<C, R>(
        self,
        envelope: &Envelope,
        context: &mut C,
        mut resource: impl FnMut(&mut C, &mut Scanner<'a>) -> Result<R>,
        mut entry: impl FnMut(&mut C, Option<R>, Mode) -> Result<()>,
    ) -> Result<()> {
        let Some(mut scanner) = self.entries else { return Ok(()) };
        scanner.enter_array()?;
        while scanner.next_element()? {
            let (mut found, mut mode) = (None, Mode::Match);
            let mut members = envelope.entry.enter(&mut scanner)?;
            while let Some(member) = members.next(&mut scanner)? {
                match member {
                    Member::Known(InEntry::Resource) => found = Some(resource(context, &mut scanner)?),
                    Member::Known(InEntry::Search) => mode = envelope.search_mode(&mut scanner)?,
                    Member::Known(InEntry::FullUrl) | Member::Other => scanner.skip_value()?,
                }
            }
            entry(context, found, mode)?;
        }
        if self.unread {
            while scanner.next_key()?.is_some() {
                scanner.skip()?;
            }
            scanner.end()?;
        }
        Ok(())
    }
}

impl<'a> Header<'a> {
    /// Looks ahead for the members that decide, which usually stand first; the scanner stays where it was.
    pub(super) fn peek(scanner: &mut Scanner<'a>, envelope: &Envelope) -> Result<Self> {
        let mark = scanner.mark();
        let mut header = Self::default();
        let (mut has_type, mut has_meta) = (false, false);
        let mut members = envelope.resource.enter(scanner)?;
        while let Some(member) = members.next(scanner)? {
            match member {
                Member::Known(InResource::Type) => {
                    header.resource_type = scanner.string()?;
                    has_type = true;
                }
                Member::Known(InResource::Id) => header.id = optional_text(scanner)?,
                Member::Known(InResource::Meta) => {
                    header.read_meta(scanner, envelope)?;
                    has_meta = true;
                }
                Member::Other => scanner.skip_value()?,
            }
            if has_type && has_meta && header.id.is_some() {
                break;
            }
        }
        scanner.reset(mark);
        Ok(header)
    }

    fn read_meta(&mut self, scanner: &mut Scanner<'a>, envelope: &Envelope) -> Result<()> {
        if scanner.peek()? != Kind::Object {
            return scanner.skip().map(drop);
        }
        let mut members = envelope.meta.enter(scanner)?;
        while let Some(member) = members.next(scanner)? {
            match member {
                Member::Known(InMeta::LastUpdated) => self.last_updated = stamp_text(scanner)?,
                Member::Known(InMeta::VersionId) => self.version = optional_text(scanner)?,
                Member::Known(InMeta::Tag) => self.subsetted |= scanner.skip()?.contains("\"SUBSETTED\""),
                Member::Other => scanner.skip_value()?,
            }
        }
        Ok(())
    }

    /// When the server says that the resource last changed; `None` when it does not say.
    ///
    /// # Errors
    /// What was given instead is not an instant.
    pub(super) fn instant(&self) -> Result<Option<Instant>, NotAnInstant> {
        self.last_updated.as_deref().map(|text| Instant::parse(text).ok_or(NotAnInstant)).transpose()
    }
}

/// A `meta.lastUpdated` that is none.
#[derive(Debug)]
pub(super) struct NotAnInstant;

/// A string's text, or `None` for anything else.
fn optional_text<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>> {
    match scanner.next_byte() {
        b'"' => scanner.string().map(Some),
        _ => scanner.skip_value().map(|()| None),
    }
}

/// A stamp's text; of a value that is neither text nor null its JSON, which is no instant.
fn stamp_text<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Cow<'a, str>>> {
    match scanner.peek()? {
        Kind::String => scanner.string().map(Some),
        Kind::Null => scanner.skip().map(|_| None),
        _ => scanner.skip().map(|json| Some(Cow::Borrowed(json))),
    }
}

type Link<'a> = Option<Cow<'a, str>>;

/// Where the next page is, and the search as the server understood it.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol) when there is a next page that cannot be reached.
fn links<'a>(scanner: &mut Scanner<'a>) -> Result<(Link<'a>, Link<'a>)> {
    let (mut next, mut own) = (None, None);
    scanner.enter_array()?;
    while scanner.next_element()? {
        let (mut relation, mut url) = (None, None);
        scanner.enter_object()?;
        while let Some(key) = scanner.next_key()? {
            match &*key {
                "relation" => relation = optional_text(scanner)?,
                "url" => url = optional_text(scanner)?,
                _ => drop(scanner.skip()?),
            }
        }
        let url = url.filter(|url| !url.is_empty());
        match relation.as_deref() {
            Some("next") if url.is_none() => {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the page has a link to the next one, but without an address",
                )
                .help("the rest of the table cannot be reached; this is a fault of the server"));
            }
            Some("next") => next = url,
            Some("self") => own = url,
            _ => {}
        }
    }
    Ok((next, own))
}

fn not_a_bundle() -> Error {
    Error::new(ErrorKind::Protocol, "the answer is JSON, but not a FHIR Bundle")
        .help("check that 'base_url' is the root of a FHIR R4 server")
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Vec<(String, Mode)>;

    fn read(text: &str) -> Result<(Option<String>, Rows)> {
        let page = Page::open(text)?;
        let next = page.next.as_deref().map(str::to_owned);
        let mut rows = Rows::new();
        let envelope = Envelope::new();
        page.each_entry(
            &envelope,
            &mut rows,
            |_, scanner| {
                let header = Header::peek(scanner, &envelope)?;
                scanner.skip()?;
                Ok(header.id.unwrap_or_default().into_owned())
            },
            |rows, id, mode| {
                rows.push((id.unwrap_or_default(), mode));
                Ok(())
            },
        )?;
        Ok((next, rows))
    }

    #[test]
    fn links_before_and_behind_the_entries_are_found() {
        let link = r#""link":[{"relation":"self","url":"s"},{"relation":"next","url":"n"}]"#;
        let entry = r#""entry":[{"search":{"mode":"include"},"resource":{"id":"a"}},{"resource":{"id":"b"}}]"#;
        let kind = r#""resourceType":"Bundle""#;
        for text in [
            format!("{{{kind},{link},{entry}}}"),
            format!("{{{kind},{entry},{link}}}"),
            format!("{{{entry},{link},{kind},\"total\":7}}"),
        ] {
            let (next, rows) = read(&text).unwrap();
            assert_eq!(next.as_deref(), Some("n"), "{text}");
            assert_eq!(rows, [("a".to_owned(), Mode::Include), ("b".to_owned(), Mode::Match)], "{text}");
        }
    }

    #[test]
    fn what_is_cut_off_behind_the_entries_is_an_error() {
        let whole = r#"{"resourceType":"Bundle","link":[],"entry":[{"resource":{"id":"a"}}],"total":1}"#;
        assert!(read(whole).is_ok());
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn other_json_is_not_a_page() {
        for text in ["{}", "[]", r#"{"resourceType":"Patient","id":"a"}"#, "null"] {
            assert_eq!(read(text).unwrap_err().kind(), ErrorKind::Protocol, "{text}");
        }
    }

    #[test]
    fn the_header_is_found_wherever_its_members_stand() {
        let text = r#"{"name":[{"id":"x"}],"id":"p1","meta":{"tag":[{"code":"SUBSETTED"}],"versionId":"3",
            "lastUpdated":"2024-01-01T00:00:00Z"},"resourceType":"Patient"}"#;
        let mut scanner = Scanner::new(text);
        let header = Header::peek(&mut scanner, &Envelope::new()).unwrap();
        assert_eq!((header.resource_type.as_ref(), header.id.as_deref()), ("Patient", Some("p1")));
        assert_eq!((header.version.as_deref(), header.subsetted), (Some("3"), true));
        assert_eq!(header.instant().unwrap(), Instant::parse("2024-01-01T00:00:00Z"));
        assert_eq!(scanner.position(), 0);
    }

    #[test]
    fn a_stamp_that_is_no_instant_is_told_apart_from_none() {
        let header =
            |text| Header::peek(&mut Scanner::new(text), &Envelope::new()).map(|h| h.instant().map_err(drop)).unwrap();
        assert_eq!(header(r#"{"resourceType":"Patient","id":"a"}"#), Ok(None));
        assert_eq!(header(r#"{"resourceType":"Patient","meta":{"lastUpdated":"soon"}}"#), Err(()));
        assert_eq!(header(r#"{"resourceType":"Patient","meta":{"lastUpdated":1704067200}}"#), Err(()));
        assert_eq!(header(r#"{"resourceType":"Patient","meta":{"lastUpdated":null}}"#), Ok(None));
        assert_eq!(header(r#"{"resourceType":"Patient","meta":null}"#), Ok(None));
    }

    #[test]
    fn a_next_page_without_an_address_is_not_the_last_page() {
        for link in [r#"{"relation":"next"}"#, r#"{"relation":"next","url":""}"#, r#"{"relation":"next","url":7}"#] {
            let text = format!(r#"{{"resourceType":"Bundle","link":[{link}],"entry":[]}}"#);
            assert_eq!(read(&text).unwrap_err().kind(), ErrorKind::Protocol, "{link}");
        }
    }
}
