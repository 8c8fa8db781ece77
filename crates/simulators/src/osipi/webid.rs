//! WebIDs: the URL-safe names of all objects.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::guid::Guid;

/// How a WebID names its object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spelling {
    /// Ids and path: the server's default, which a rename changes.
    #[default]
    Full,
    /// Ids only.
    IdOnly,
    /// The path only; anybody can make it.
    PathOnly,
    /// Ids without the one of the server.
    LocalIdOnly,
    /// As `LocalIdOnly`, meant for the default server.
    DefaultIdOnly,
}

impl Spelling {
    const ALL: [(Self, char, &'static str); 5] = [
        (Self::Full, 'F', "Full"),
        (Self::IdOnly, 'I', "IDOnly"),
        (Self::PathOnly, 'P', "PathOnly"),
        (Self::LocalIdOnly, 'L', "LocalIDOnly"),
        (Self::DefaultIdOnly, 'D', "DefaultIDOnly"),
    ];

    /// The spelling of that name, as in the parameter `webIdType`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, _, known)| known.eq_ignore_ascii_case(name)).map(|(spelling, ..)| *spelling)
    }

    fn letter(self) -> char {
        Self::ALL.iter().find(|(known, ..)| *known == self).map_or('F', |(_, letter, _)| *letter)
    }

    fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == letter).map(|(spelling, ..)| *spelling)
    }
}

/// The type marker of a WebID, the letter of the owner included where the type has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    DataServer,
    AssetServer,
    Point,
    Database,
    Element,
    EventFrame,
    /// Of an element.
    Attribute,
    /// Of an event frame.
    FrameAttribute,
    ElementTemplate,
    AttributeTemplate,
    Analysis,
    AnalysisTemplate,
    ElementCategory,
    AttributeCategory,
    AnalysisCategory,
    TableCategory,
    Table,
    /// Of a data server.
    DigitalSet,
    /// Of a data server.
    DigitalState,
    /// Of an asset server.
    EnumerationSet,
    /// Of an asset server.
    EnumerationValue,
    Unit,
    UnitClass,
}

impl Kind {
    /// Kind, marker with owner letter, number of GUIDs.
    const ALL: [(Self, &'static str, usize); 23] = [
        (Self::DataServer, "DS", 1),
        (Self::AssetServer, "RS", 1),
        (Self::Point, "DP", 1),
        (Self::Database, "RD", 2),
        (Self::Element, "Em", 2),
        (Self::EventFrame, "Fm", 2),
        (Self::Attribute, "AbE", 3),
        (Self::FrameAttribute, "AbF", 3),
        (Self::ElementTemplate, "ET", 2),
        (Self::AttributeTemplate, "ATE", 3),
        (Self::Analysis, "Xs", 2),
        (Self::AnalysisTemplate, "XT", 2),
        (Self::ElementCategory, "EC", 2),
        (Self::AttributeCategory, "AC", 2),
        (Self::AnalysisCategory, "XC", 2),
        (Self::TableCategory, "BC", 2),
        (Self::Table, "Bl", 2),
        (Self::DigitalSet, "MSD", 2),
        (Self::DigitalState, "MVD", 3),
        (Self::EnumerationSet, "MSR", 2),
        (Self::EnumerationValue, "MVR", 3),
        (Self::Unit, "Ut", 2),
        (Self::UnitClass, "UC", 2),
    ];

    fn marker(self) -> (&'static str, usize) {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or(("", 0), |(_, marker, ids)| (*marker, *ids))
    }
}

/// What a WebID that was read says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebId {
    pub(crate) kind: Kind,
    pub(crate) target: Target,
}

/// The payload of a WebID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The GUIDs, the server's first, and a point's number. A path behind them is only an ornament.
    Ids(Vec<Guid>, Option<i32>),
    /// The same without the server's GUID.
    Local(Vec<Guid>, Option<i32>),
    /// An upper-cased path without the leading `\\`. The spelling carries no owner letter of its own choice.
    Path(String),
}

impl WebId {
    /// Reads a WebID of any spelling; nothing when it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        let spelling = Spelling::of_letter(letters.next()?)?;
        let rest = letters.as_str().strip_prefix('1')?;
        let (kind, marker, guids) = *Kind::ALL.iter().find(|(_, marker, _)| rest.starts_with(marker))?;
        let payload = rest.strip_prefix(marker)?;
        if spelling == Spelling::PathOnly {
            let path = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
            return (!path.is_empty()).then_some(Self { kind, target: Target::Path(path) });
        }
        let local = matches!(spelling, Spelling::LocalIdOnly | Spelling::DefaultIdOnly);
        let guids = if local { guids.saturating_sub(1) } else { guids };
        let mut at = 0;
        let mut part = |length: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(payload.get(at..at + length)?).ok()?;
            at += length;
            Some(bytes)
        };
        let ids = (0..guids).map(|_| Some(Guid::from_mixed(part(22)?.try_into().ok()?))).collect::<Option<Vec<_>>>()?;
        let number = match kind {
            Kind::Point => Some(i32::from_le_bytes(part(6)?.try_into().ok()?)),
            _ => None,
        };
        let path = payload.get(at..)?;
        let sound = if spelling == Spelling::Full {
            URL_SAFE_NO_PAD.decode(path).is_ok_and(|path| String::from_utf8(path).is_ok())
        } else {
            path.is_empty()
        };
        let target = if local { Target::Local(ids, number) } else { Target::Ids(ids, number) };
        sound.then_some(Self { kind, target })
    }

    /// The ids with the server's in front, `default` standing in for an absent one; nothing for a path.
    pub(crate) fn ids(&self, default: Guid) -> Option<(Vec<Guid>, Option<i32>)> {
        match &self.target {
            Target::Ids(ids, number) => Some((ids.clone(), *number)),
            Target::Local(ids, number) => {
                Some((std::iter::once(default).chain(ids.iter().copied()).collect(), *number))
            }
            Target::Path(_) => None,
        }
    }
}

/// Spells a WebID. `ids` starts with the server's GUID; `path` is the object's full path, `number` a point's number.
pub(crate) fn encode(kind: Kind, spelling: Spelling, ids: &[Guid], number: Option<i32>, path: &str) -> String {
    let (marker, _) = kind.marker();
    let mut text = format!("{}1{marker}", spelling.letter());
    if spelling != Spelling::PathOnly {
        let local = matches!(spelling, Spelling::LocalIdOnly | Spelling::DefaultIdOnly);
        for id in ids.iter().skip(usize::from(local)) {
            URL_SAFE_NO_PAD.encode_string(id.mixed(), &mut text);
        }
        if let Some(number) = number {
            URL_SAFE_NO_PAD.encode_string(number.to_le_bytes(), &mut text);
        }
    }
    if matches!(spelling, Spelling::Full | Spelling::PathOnly) {
        let path = path.strip_prefix("\\\\").unwrap_or(path).to_uppercase();
        URL_SAFE_NO_PAD.encode_string(path, &mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: &str = "3f2c1a9e-7b44-4d0a-9c55-0e2f6a8b1d10";

    fn guid(text: &str) -> Guid {
        Guid::parse(text).unwrap()
    }

    #[test]
    fn points_and_servers_are_spelled_as_the_vendor_does() {
        let point = |spelling| encode(Kind::Point, spelling, &[guid(SERVER)], Some(1207), r"\\PISRV1\sinusoid");
        assert_eq!(point(Spelling::IdOnly), "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA");
        assert_eq!(point(Spelling::PathOnly), "P1DPUElTUlYxXFNJTlVTT0lE");
        assert_eq!(point(Spelling::Full), "F1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAAUElTUlYxXFNJTlVTT0lE");
        let server = encode(Kind::DataServer, Spelling::IdOnly, &[guid(SERVER)], None, r"\\PISRV1");
        assert_eq!(server, "I1DSnhosP0R7Ck2cVQ4vaosdEA");
    }

    #[test]
    fn asset_objects_are_spelled_as_the_vendor_does() {
        let system = guid("a1b2c3d4-0011-2233-4455-66778899aabb");
        let element = guid("0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0");
        let attribute = guid("11112222-3333-4444-5555-666677778888");
        assert_eq!(
            encode(Kind::Element, Spelling::IdOnly, &[system, element], None, ""),
            "I1Em1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8A"
        );
        assert_eq!(
            encode(Kind::Attribute, Spelling::IdOnly, &[system, element, attribute], None, ""),
            "I1AbE1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8AIiIRETMzRERVVWZmd3eIiA"
        );
        assert_eq!(
            encode(Kind::Attribute, Spelling::PathOnly, &[], None, r"\\AFSRV\Plant\Unit1|Temp"),
            "P1AbEQUZTUlZcUExBTlRcVU5JVDF8VEVNUA"
        );
    }

    #[test]
    fn every_kind_reads_back_in_every_spelling() {
        for (kind, _, guids) in Kind::ALL {
            let ids: Vec<Guid> = (0..guids as u64).map(|n| Guid::made(7, "id", n)).collect();
            let number = (kind == Kind::Point).then_some(-5);
            for spelling in [Spelling::Full, Spelling::IdOnly, Spelling::LocalIdOnly, Spelling::DefaultIdOnly] {
                let text = encode(kind, spelling, &ids, number, r"\\S\ä b");
                let read = WebId::parse(&text).unwrap();
                assert_eq!((read.kind, read.ids(ids[0])), (kind, Some((ids.clone(), number))), "{text}");
            }
            let read = WebId::parse(&encode(kind, Spelling::PathOnly, &ids, number, r"\\S\ä b")).unwrap();
            assert_eq!(read, WebId { kind, target: Target::Path(r"S\Ä B".to_owned()) });
        }
    }

    #[test]
    fn what_is_no_web_id_is_refused() {
        let good = "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA";
        assert!(WebId::parse(good).is_some());
        let bad = [
            "",
            "I",
            "I1",
            "I1DP",
            "X1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA",
            "I2DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA",
            "P1DP",
            "sinusoid",
            "ä",
        ];
        for text in bad.into_iter().chain([&good[..31], &format!("{good}A")]) {
            assert_eq!(WebId::parse(text), None, "{text}");
        }
        assert_eq!(Guid::parse("3f2c1a9e-7b44-4d0a-9c55-0e2f6a8b1d1"), None);
        assert_eq!(Guid::parse("{3f2c1a9e-7b44-4d0a-9c55-0e2f6a8b1d10}").unwrap().to_string(), SERVER);
    }
}
