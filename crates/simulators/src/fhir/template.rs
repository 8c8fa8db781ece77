//! Resource texts cut into segments, so that a page is made by copying bytes.

use std::collections::HashMap;

use memchr::memmem;

use super::{
    instant::{MISSING, Nanos, StampStyle},
    json::{members, plain_string},
};

/// A resource text whose id, meta and references are filled in when it is rendered.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// The id in the text it was made from.
    pub(crate) id: Box<str>,
    /// The text it was cut from without white space, then what its meta holds besides version and stamp.
    text: Box<str>,
    own: usize,
    segments: Box<[Segment]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    /// These bytes of the text.
    Text { from: u32, to: u32 },
    /// The resource's own id, without quotes.
    Id,
    /// The `meta` member, name included; the range holds its other members, each with a comma before it.
    Meta { from: u32, to: u32 },
    /// What makes a reference to an example name the same copy of it; the number of the type.
    Suffix { kind: u32 },
}

/// What a template needs to become a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling<'a> {
    pub(crate) id: &'a str,
    pub(crate) version: u32,
    pub(crate) stamp: Nanos,
    pub(crate) style: StampStyle,
    pub(crate) copy: u32,
    /// Number of copies of each type, by the type's number.
    pub(crate) copies: &'a [u32],
}

/// The ids that references may name, by type: `(type, id)` to the type's number.
pub(crate) type KnownIds<'a> = HashMap<(&'a str, &'a str), u32>;

impl Template {
    /// Cuts a resource text without white space between tokens; nothing when it is no JSON object with a string `id`.
    pub(crate) fn cut(text: Box<str>, known: &KnownIds<'_>) -> Option<Self> {
        let all = members(&text)?;
        let find = |name: &str| all.iter().find(|member| member.name(&text) == name);
        let id = *find("id")?;
        let id_text: Box<str> = plain_string(id.value(&text))?.into();
        let mut cuts = vec![(id.value.0 + 1, id.value.1 - 1, Segment::Id)];
        let mut tail = String::new();
        match find("meta") {
            Some(meta) => {
                let inner = meta.value(&text);
                for member in members(inner)? {
                    if !matches!(member.name(inner), "versionId" | "lastUpdated") {
                        tail.push_str(&format!(",\"{}\":{}", member.name(inner), member.value(inner)));
                    }
                }
                cuts.push((meta.name.0 - 1, meta.value.1, Segment::Meta { from: 0, to: 0 }));
            }
            None => {
                tail.push(',');
                cuts.push((id.value.1, id.value.1, Segment::Meta { from: 1, to: 0 }));
            }
        }
        for start in memmem::find_iter(text.as_bytes(), b"\"reference\":\"") {
            let start = start + 13;
            let Some(target) = text.get(start..).and_then(|rest| rest.split('"').next()) else { continue };
            let Some((kind, rest)) = target.split_once('/') else { continue };
            let id = rest.split(['/', '#', '|']).next().unwrap_or(rest);
            if let Some(number) = known.get(&(kind, id)) {
                let at = start + kind.len() + 1 + id.len();
                cuts.push((at, at, Segment::Suffix { kind: *number }));
            }
        }
        cuts.sort_by_key(|(from, to, _)| (*from, *to));
        let segments = segments(&text, &tail, cuts)?;
        Some(Self { id: id_text, own: text.len(), segments, text: (text.into_string() + &tail).into() })
    }

    /// Appends the resource.
    pub(crate) fn render(&self, filling: Filling<'_>, out: &mut Vec<u8>) {
        let text = self.text.as_bytes();
        for segment in &self.segments {
            match *segment {
                Segment::Text { from, to } => out.extend_from_slice(&text[from as usize..to as usize]),
                Segment::Id => out.extend_from_slice(filling.id.as_bytes()),
                Segment::Meta { from, to } => {
                    out.extend_from_slice(b"\"meta\":{\"versionId\":\"");
                    write_number(filling.version, out);
                    out.push(b'"');
                    if filling.stamp != MISSING {
                        out.extend_from_slice(b",\"lastUpdated\":\"");
                        filling.style.write(filling.stamp, out);
                        out.push(b'"');
                    }
                    out.extend_from_slice(&text[from as usize..to as usize]);
                    out.push(b'}');
                }
                Segment::Suffix { kind } => {
                    let copies = filling.copies.get(kind as usize).copied().unwrap_or(0);
                    let copy = if copies == 0 { filling.copy } else { filling.copy % copies };
                    write_copy(copy, out);
                }
            }
        }
    }

    /// The size of the text that it was cut from, without white space.
    pub(crate) fn size(&self) -> usize {
        self.own
    }
}

/// Appends what tells copy `copy` of an example from the example itself: nothing for copy 0.
pub(crate) fn write_copy(copy: u32, out: &mut Vec<u8>) {
    if copy > 0 {
        out.extend_from_slice(b"-c");
        write_number(copy, out);
    }
}

pub(crate) fn write_number(number: u32, out: &mut Vec<u8>) {
    let mut digits = [0u8; 10];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The segments between and at the cuts. A meta that the text lacks (marked by an inverted range) gets a comma.
fn segments(text: &str, tail: &str, cuts: Vec<(usize, usize, Segment)>) -> Option<Box<[Segment]>> {
    let size = u32::try_from(text.len() + tail.len()).ok()?;
    let tail_from = u32::try_from(text.len()).ok()?;
    let mut found = Vec::with_capacity(cuts.len() * 2 + 1);
    let mut at = 0u32;
    for (from, to, segment) in cuts {
        let (from, to) = (u32::try_from(from).ok()?, u32::try_from(to).ok()?);
        if from < at {
            // A reference inside the example's own meta, which is replaced as a whole.
            continue;
        }
        if from > at {
            found.push(Segment::Text { from: at, to: from });
        }
        match segment {
            Segment::Meta { from: 1, to: 0 } => {
                found.push(Segment::Text { from: tail_from, to: size });
                found.push(Segment::Meta { from: size, to: size });
            }
            Segment::Meta { .. } => found.push(Segment::Meta { from: tail_from, to: size }),
            segment => found.push(segment),
        }
        at = to;
    }
    if at < tail_from {
        found.push(Segment::Text { from: at, to: tail_from });
    }
    Some(found.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str, copy: u32) -> String {
        let known = KnownIds::from([(("Patient", "p"), 0)]);
        let mut out = Vec::new();
        if let Some(template) = Template::cut(crate::fhir::json::minified(text).into(), &known) {
            let id = if copy == 0 { "x".to_owned() } else { format!("x-c{copy}") };
            let filling =
                Filling { id: &id, version: 3, stamp: 1_500_000_000, style: StampStyle::Millis, copy, copies: &[4] };
            template.render(filling, &mut out);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn meta_is_stamped_and_the_rest_kept_to_the_byte() {
        assert_eq!(
            rendered(r#"{"resourceType":"X","id":"x","v": 1.00,"s":"a\u0020b"}"#, 0),
            r#"{"resourceType":"X","id":"x","meta":{"versionId":"3","lastUpdated":"1970-01-01T00:00:01.500Z"},"v":1.00,"s":"a\u0020b"}"#
        );
        assert_eq!(
            rendered(r#"{"v":1,"id":"x","meta":{"lastUpdated":"y","tag":[{"code":"t"}]},"resourceType":"X"}"#, 0),
            r#"{"v":1,"id":"x","meta":{"versionId":"3","lastUpdated":"1970-01-01T00:00:01.500Z","tag":[{"code":"t"}]},"resourceType":"X"}"#
        );
    }

    #[test]
    fn references_of_a_copy_name_the_same_copy() {
        let text = r#"{"resourceType":"X","id":"x","a":{"reference":"Patient/p"},"b":{"reference":"Patient/p/_history/1"},"c":{"reference":"Patient/q"},"d":{"reference":"Patient/pp"}}"#;
        let copy = rendered(text, 3);
        assert!(copy.contains(r#""id":"x-c3""#), "{copy}");
        assert!(copy.contains(r#""a":{"reference":"Patient/p-c3"}"#), "{copy}");
        assert!(copy.contains(r#""b":{"reference":"Patient/p-c3/_history/1"}"#), "{copy}");
        assert!(
            copy.contains(r#""c":{"reference":"Patient/q"}"#) && copy.contains(r#""d":{"reference":"Patient/pp"}"#)
        );
        assert!(rendered(text, 5).contains(r#""a":{"reference":"Patient/p-c1"}"#), "wraps to the copies there are");
        assert!(rendered(text, 4).contains(r#""a":{"reference":"Patient/p"}"#));
    }
}
