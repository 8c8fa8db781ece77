//! WebIDs: PI Web API's names for objects, taken apart and put together without asking the server.
//!
//! A WebID is a spelling (`F` full, `I` ids only, `P` path only, `L` and `D` local), a version (`1`), a type marker, for
//! some types the owner's kind, and then ids, or a path, or both. Keys are the ids-only spelling: it survives a rename.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::error::{Error, ErrorKind, Result};

/// Characters of a GUID and of a point's number.
const GUID: usize = 22;
const NUMBER: usize = 6;

/// What kind of object a WebID is of: its marker, with the owner's letter where the type has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Marker(&'static str);

impl Marker {
    #[cfg(test)]
    pub(super) const DATA_SERVER: Self = Self("DS");
    pub(super) const POINT: Self = Self("DP");
    pub(super) const ELEMENT: Self = Self("Em");
    pub(super) const ATTRIBUTE: Self = Self("AbE");

    /// Whether objects of this kind have values over time.
    pub(super) fn is_stream(self) -> bool {
        matches!(self.0, "DP" | "AbE" | "AbF")
    }

    /// The characters that the ids take; `None` where it is not known.
    fn id_chars(self) -> Option<usize> {
        Some(match self.0 {
            "DS" | "RS" => GUID,
            "DP" => GUID + NUMBER,
            "AbE" | "AbF" | "ATE" | "MVR" => 3 * GUID,
            "MSD" | "MVD" => return None,
            _ => 2 * GUID,
        })
    }
}

/// Markers, longest first where one begins another.
const MARKERS: [&str; 24] = [
    "AbE", "AbF", "ATE", "MSR", "MSD", "MVR", "MVD", "DS", "RS", "DP", "RD", "Em", "Fm", "ET", "Xs", "XT", "EC", "AC",
    "XC", "BC", "Bl", "Ut", "UC", "AT",
];

/// An object's WebID in its ids-only spelling: equal for equal objects, whatever they are called.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WebId(Box<str>);

/// A WebID as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spelled {
    /// It holds the object's ids.
    Id(WebId),
    /// It holds the object's path only; the server has to say which object that is.
    Path(Box<str>),
}

impl WebId {
    /// Reads any spelling that holds ids.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for text that is not a WebID, for spellings that only one server understands, and
    /// for one that holds a path only.
    pub(super) fn parse(text: &str) -> Result<Self> {
        match Spelled::parse(text)? {
            Spelled::Id(id) => Ok(id),
            Spelled::Path(_) => {
                Err(malformed("the WebID holds a path and no ids").help("resolve it at the server first"))
            }
        }
    }

    /// A point of a data server, by the server's GUID and the point's number.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when the text is not a GUID.
    #[cfg(test)]
    pub(super) fn point(server: &str, number: i32) -> Result<Self> {
        Ok(Self(format!("I1DP{}{}", guid(server)?, URL_SAFE_NO_PAD.encode(number.to_le_bytes())).into()))
    }

    /// A point by its data server's WebID and its number; `None` when that is not the WebID of a data server.
    pub(super) fn point_of(server: &str, number: i32) -> Option<Self> {
        let server = server.strip_prefix("I1DS")?;
        Some(Self(format!("I1DP{server}{}", URL_SAFE_NO_PAD.encode(number.to_le_bytes())).into()))
    }

    /// The ids-only spelling.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind of object.
    pub(super) fn marker(&self) -> Option<Marker> {
        marker_of(&self.0)
    }

    /// The data server's WebID and the point's number; `None` for what is not a point.
    pub(super) fn point_parts(&self) -> Option<(WebId, i32)> {
        let ids = self.0.strip_prefix("I1DP")?;
        let number = URL_SAFE_NO_PAD.decode(ids.get(GUID..)?).ok()?;
        let server = WebId(format!("I1DS{}", ids.get(..GUID)?).into());
        Some((server, i32::from_le_bytes(number.try_into().ok()?)))
    }
}

impl fmt::Debug for WebId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for WebId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Spelled {
    /// Reads any spelling. Full ones lose their path, which is only a name.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for text that is not a WebID and for the spellings that only one server understands.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let spelling = text.as_bytes().first().copied().unwrap_or(0);
        let (Some(b'1'), Some(marker)) = (text.as_bytes().get(1), marker_of(text)) else {
            return Err(malformed("this is not a WebID"));
        };
        let head = 2 + marker.0.len();
        let payload = text.get(head..).unwrap_or_default();
        match spelling {
            b'I' => {
                if marker.id_chars().is_some_and(|chars| payload.len() != chars) || payload.is_empty() {
                    return Err(malformed("the WebID is too short or too long for its type"));
                }
                check_ids(payload)?;
                Ok(Self::Id(WebId(text.into())))
            }
            b'F' => {
                let Some(ids) = marker.id_chars().and_then(|chars| payload.get(..chars)) else {
                    return Err(malformed("the ids of this full WebID cannot be told from its path")
                        .help("give it in the ids-only spelling (webIdType=IDOnly)"));
                };
                check_ids(ids)?;
                Ok(Self::Id(WebId(format!("I1{}{ids}", marker.0).into())))
            }
            b'P' => {
                let path = URL_SAFE_NO_PAD.decode(payload).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                match path {
                    Some(path) if !path.is_empty() => Ok(Self::Path(text.into())),
                    _ => Err(malformed("this is not a WebID")),
                }
            }
            b'L' | b'D' => Err(malformed("the WebID is in a spelling that only one server understands")
                .help("give it in the ids-only spelling (webIdType=IDOnly)")),
            _ => Err(malformed("this is not a WebID")),
        }
    }
}

/// The path-only WebID of an object, which needs no look-up: `\\server\point` or `\\server\database\element|attribute`.
pub(super) fn of_path(marker: Marker, path: &str) -> String {
    let path = path.trim_start_matches('\\').to_uppercase();
    format!("P1{}{}", marker.0, URL_SAFE_NO_PAD.encode(path))
}

/// The path inside a path-only or full WebID, upper-cased as it stands there, without its leading `\\`.
pub(super) fn path_of(text: &str) -> Option<String> {
    let marker = marker_of(text)?;
    let payload = text.get(2 + marker.0.len()..)?;
    let path = match text.as_bytes().first()? {
        b'P' => payload,
        b'F' => payload.get(marker.id_chars()?..)?,
        _ => return None,
    };
    String::from_utf8(URL_SAFE_NO_PAD.decode(path).ok()?).ok().filter(|path| !path.is_empty())
}

fn marker_of(text: &str) -> Option<Marker> {
    let rest = text.get(2..)?;
    MARKERS.into_iter().find(|marker| rest.starts_with(marker)).map(Marker)
}

/// Each id is encoded for itself; what does not decode, or has stray bits, is not an id.
fn check_ids(payload: &str) -> Result<()> {
    let mut rest = payload;
    while !rest.is_empty() {
        let (id, after) = rest.split_at_checked(GUID).unwrap_or((rest, ""));
        if URL_SAFE_NO_PAD.decode(id).is_err() {
            return Err(malformed("the WebID's ids cannot be read"));
        }
        rest = after;
    }
    Ok(())
}

/// A GUID's 16 bytes as WebIDs hold them: the first three groups little-endian.
#[cfg(test)]
fn guid(text: &str) -> Result<String> {
    let digits: Vec<u8> = text.trim_matches(['{', '}']).bytes().filter(|b| *b != b'-').collect();
    let nibble = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes: Option<Vec<u8>> =
        digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(*pair.get(1)?)?)).collect();
    let bytes: [u8; 16] = bytes.and_then(|b| b.try_into().ok()).ok_or_else(|| malformed("this is not a GUID"))?;
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    Ok(URL_SAFE_NO_PAD.encode(order.map(|i: usize| bytes[i])))
}

fn malformed(why: &'static str) -> Error {
    Error::new(ErrorKind::Config, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER: &str = "3f2c1a9e-7b44-4d0a-9c55-0e2f6a8b1d10";
    const POINT: &str = "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA";
    const ATTRIBUTE: &str = "I1AbE1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8AIiIRETMzRERVVWZmd3eIiA";

    #[test]
    fn a_point_is_the_same_in_its_full_and_ids_only_spelling() {
        let full = "F1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAAUElTUlYxXFNJTlVTT0lE";
        assert_eq!(WebId::parse(full).unwrap(), WebId::parse(POINT).unwrap());
        assert_eq!(WebId::point(SERVER, 1207).unwrap().as_str(), POINT);
        let (server, number) = WebId::parse(POINT).unwrap().point_parts().unwrap();
        assert_eq!((server.as_str(), number), ("I1DSnhosP0R7Ck2cVQ4vaosdEA", 1207));
        assert_eq!(path_of(full).unwrap(), r"PISRV1\SINUSOID");
    }

    #[test]
    fn a_path_makes_a_webid_without_asking() {
        assert_eq!(of_path(Marker::POINT, r"\\PISRV1\sinusoid"), "P1DPUElTUlYxXFNJTlVTT0lE");
        assert_eq!(of_path(Marker::ATTRIBUTE, r"\\AFSRV\Plant\Unit1|Temp"), "P1AbEQUZTUlZcUExBTlRcVU5JVDF8VEVNUA");
        assert!(matches!(Spelled::parse("P1DPUElTUlYxXFNJTlVTT0lE").unwrap(), Spelled::Path(_)));
        assert_eq!(WebId::parse("P1DPUElTUlYxXFNJTlVTT0lE").unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn elements_attributes_and_servers_are_told_apart() {
        for (text, marker) in [
            ("I1Em1MOyoREAMyJEVWZ3iJmquwPC0eD1pLeGmHlqW0w9Lh8A", Marker::ELEMENT),
            (ATTRIBUTE, Marker::ATTRIBUTE),
            (POINT, Marker::POINT),
            ("I1DSnhosP0R7Ck2cVQ4vaosdEA", Marker::DATA_SERVER),
        ] {
            assert_eq!(WebId::parse(text).unwrap().marker(), Some(marker), "{text}");
            assert_eq!(marker.is_stream(), text == ATTRIBUTE || text == POINT);
        }
    }

    #[test]
    fn what_is_no_webid_or_only_local_is_refused() {
        let too_short = &POINT[..POINT.len() - 1];
        let stray_bits = "I1DPnhosP0R7Ck2cVQ4vaosdEBtwQAAA";
        for text in
            ["", "I1", "I1DP", "sinusoid", "I2DPx", "I1ZZabc", "L1DPCQ", "D1DPCQ", "X1DPx", "P1DP", "P1DP%", "ÄÖ1DP"]
        {
            assert_eq!(Spelled::parse(text).unwrap_err().kind(), ErrorKind::Config, "{text}");
        }
        for text in [too_short, stray_bits, "F1DPnhosP0R7", "F1MSDabc", "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAA!"] {
            assert!(Spelled::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,60}") {
            let _ = Spelled::parse(&text);
            let _ = path_of(&text);
        }

        #[test]
        fn points_come_back_from_their_webid(bytes: [u8; 16], number: i32, name in "[A-Za-z0-9. _-]{1,20}") {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let id = WebId::point(&hex, number).unwrap();
            prop_assert_eq!(id.point_parts().unwrap().1, number);
            let path = format!(r"\\srv\{name}");
            let full = format!("F{}{}", &id.as_str()[1..], of_path(Marker::POINT, &path).split_off(4));
            prop_assert_eq!(WebId::parse(&full).unwrap(), id);
            prop_assert_eq!(path_of(&full), Some(path[2..].to_uppercase()));
        }
    }
}
