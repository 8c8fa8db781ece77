//! Many streams by one address: how many fit, and whose is what in the answer.

use bytes::Bytes;

use super::webid::WebId;
use crate::{
    decode::{Kind, Scanner},
    error::Result,
};

/// Query of one request: well below the 16 KiB that Windows allows for the head of a request.
const QUERY: usize = 12 * 1024;
/// What a query holds beside its streams, about.
const OTHERS: usize = 600;

/// How many streams with WebIDs like this one a request can name.
pub(super) fn room(webid: &str) -> usize {
    ((QUERY - OTHERS) / ("&webId=".len() + webid.len())).max(1)
}

/// The streams of an answer, by their ids however they are spelled.
///
/// # Errors
/// `Protocol` for an answer that is no streamset.
pub(super) fn members(body: &Bytes) -> Result<Vec<(WebId, Bytes)>> {
    let mut s = Scanner::from_utf8(body)?;
    let mut found = Vec::new();
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        if key != "Items" || s.peek()? != Kind::Array {
            s.skip_value()?;
            continue;
        }
        s.enter_array()?;
        while s.next_element()? {
            let mut inside = s.clone();
            let content = body.slice_ref(s.skip()?.as_bytes());
            inside.enter_object()?;
            while let Some(key) = inside.next_key()? {
                if key == "WebId" && inside.peek()? == Kind::String {
                    found.push((WebId::parse(&inside.string()?)?, content));
                    break;
                }
                inside.skip_value()?;
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_by_their_ids_and_requests_stay_short() {
        let body = Bytes::from_static(
            br#"{"Links":{},"Items":[{"Items":[1],"WebId":"F1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAAUElTUlYxXFNJTlVTT0lE"}]}"#,
        );
        let found = members(&body).unwrap();
        let point = "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA";
        assert_eq!((found.len(), found[0].0.as_str()), (1, point));
        assert!(found[0].1.starts_with(br#"{"Items":[1]"#));
        assert!((250..350).contains(&room(point)) && room(&"x".repeat(20_000)) == 1);
    }
}
