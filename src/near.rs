//! Near matches for names that people mistype.

/// Up to three known names close to `name`, nearest first; case does not count.
pub(crate) fn near_matches<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(&name, &k.to_lowercase()), k))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, k)| k).collect()
}

/// `'a', 'b' or 'c'`.
pub(crate) fn quoted_list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("'{one}'"),
        [init @ .., last] => {
            let init: Vec<String> = init.iter().map(|n| format!("'{n}'")).collect();
            format!("{} or '{last}'", init.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_first_and_case_free() {
        assert_eq!(near_matches("patien", ["Observation", "Patient"]), ["Patient"]);
        assert!(near_matches("zzz", ["Observation", "Patient"]).is_empty());
    }

    #[test]
    fn lists_read_like_prose() {
        assert_eq!(quoted_list(&["a", "b", "c"]), "'a', 'b' or 'c'");
    }
}
