//! Rows with words, ranked by BM25. Words are runs of letters and digits in lower case: neither stems nor stop words.

use std::collections::HashMap;

use arrow::{
    array::{Array, AsArray},
    buffer::BooleanBuffer,
    compute::cast,
    datatypes::DataType,
};

use super::{body::Words, run::Found};
use crate::lancedb::{
    refusal::Refusal,
    table::{IndexKind, Version},
};

const K1: f64 = 1.2;
const B: f64 = 0.75;

fn tokens(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

/// A text of a live row.
struct Document {
    part: usize,
    row: u32,
    words: Vec<String>,
}

/// Rows with the words, the best first; of equal ones in the order of the table.
///
/// # Errors
/// For columns without an index of words.
pub(super) fn with_words(
    version: &Version,
    words: &Words,
    candidates: impl Fn(usize, u64) -> Result<Option<BooleanBuffer>, Refusal>,
) -> Result<Vec<Found>, Refusal> {
    let indexed: Vec<&str> = version
        .indices
        .iter()
        .filter(|index| index.kind == IndexKind::Text)
        .map(|index| index.column.as_str())
        .collect();
    let columns: Vec<&str> = match words.columns.is_empty() {
        true => indexed.clone(),
        false => words.columns.iter().map(String::as_str).collect(),
    };
    if columns.is_empty() || columns.iter().any(|column| !indexed.contains(column)) {
        return Err(Refusal::input(
            "\"Cannot perform full text search unless an INVERTED index has been created on at least one column\"",
        ));
    }
    let terms = tokens(&words.terms);
    let mut scores: HashMap<(usize, u32), f64> = HashMap::new();
    for column in columns {
        for (part, row, score) in rank(&documents(version, column)?, &terms, words) {
            *scores.entry((part, row)).or_default() += score;
        }
    }
    let mut allowed = Vec::new();
    let mut before = 0;
    for (at, part) in version.parts.iter().enumerate() {
        allowed.push(candidates(at, before)?);
        before += part.rows() as u64;
    }
    let mut found: Vec<Found> = scores
        .into_iter()
        .filter(|((part, row), _)| {
            let allowed = allowed.get(*part).and_then(Option::as_ref);
            allowed.is_none_or(|allowed| allowed.value(*row as usize))
        })
        .map(|((part, row), score)| Found { part, row, measure: score as f32 })
        .collect();
    found.sort_by(|a, b| b.measure.total_cmp(&a.measure).then((a.part, a.row).cmp(&(b.part, b.row))));
    Ok(found)
}

fn documents(version: &Version, column: &str) -> Result<Vec<Document>, Refusal> {
    let mut all = Vec::new();
    for (at, part) in version.parts.iter().enumerate() {
        let texts =
            part.batch().column_by_name(column).ok_or_else(|| Refusal::input("\"the indexed column is gone\""))?;
        let texts = cast(texts, &DataType::Utf8).map_err(Refusal::input)?;
        let texts = texts.as_string::<i32>();
        for row in (0..part.len()).filter(|row| part.live().is_none_or(|live| live.value(*row)) && texts.is_valid(*row))
        {
            all.push(Document { part: at, row: row as u32, words: tokens(texts.value(row)) });
        }
    }
    Ok(all)
}

fn rank(documents: &[Document], terms: &[String], words: &Words) -> Vec<(usize, u32, f64)> {
    let total = documents.len() as f64;
    let mean = documents.iter().map(|document| document.words.len()).sum::<usize>() as f64 / total.max(1.0);
    let weight = |term: &String| {
        let with = documents.iter().filter(|document| document.words.contains(term)).count() as f64;
        ((total - with + 0.5) / (with + 0.5) + 1.0).ln()
    };
    let weights: Vec<f64> = terms.iter().map(weight).collect();
    let mut ranked = Vec::new();
    for document in documents {
        let fits = match (words.phrase, words.all) {
            (true, _) => !terms.is_empty() && document.words.windows(terms.len()).any(|window| window == terms),
            (false, true) => terms.iter().all(|term| document.words.contains(term)),
            (false, false) => terms.iter().any(|term| document.words.contains(term)),
        };
        if !fits {
            continue;
        }
        let length = K1 * (1.0 - B + B * document.words.len() as f64 / mean.max(1.0));
        let score = terms.iter().zip(&weights).map(|(term, weight)| {
            let times = document.words.iter().filter(|word| *word == term).count() as f64;
            weight * times * (K1 + 1.0) / (times + length)
        });
        ranked.push((document.part, document.row, score.sum()));
    }
    ranked
}
