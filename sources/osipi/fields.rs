//! Which fields of timed values the server is asked for.

/// Fields that become columns.
const ALL: [&str; 8] =
    ["Timestamp", "UnitsAbbreviation", "Good", "Questionable", "Substituted", "Annotated", "Value", "Errors"];

/// Those that `selectedFields` names, as in `Items.Timestamp;Items.Value`; all when it is not given.
pub(super) fn of_values(selected: Option<&str>) -> Vec<&'static str> {
    self::selected(ALL.to_vec(), selected)
}

/// Of these fields the ones that `selectedFields` names; all when it is not given.
pub(super) fn selected(fields: Vec<&'static str>, selected: Option<&str>) -> Vec<&'static str> {
    let Some(selected) = selected else { return fields };
    let is_named = |field: &&str| {
        let mut names = selected.split(';').filter_map(|path| path.trim().rsplit('.').next());
        names.any(|name| name.eq_ignore_ascii_case(field))
    };
    fields.into_iter().filter(is_named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_asked_for_and_everything_by_default() {
        assert_eq!(of_values(None).len(), 8);
        assert_eq!(of_values(Some("Items.Timestamp; items.value;Good;Items.Other")), ["Timestamp", "Good", "Value"]);
    }
}
