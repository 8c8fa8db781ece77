//! Searches of event frames.

use super::{
    filters::{SortField, in_category, of_template, sort, sort_by, visible},
    instant::instant,
    object::{Frame, Ix, Kind},
    store::Store,
};
use crate::osipi::{
    call::{Call, Refusal},
    lists::fits,
    ticks::Ticks,
};

/// `searchMode`: which frames a time range finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    None,
    StartInclusive,
    EndInclusive,
    Inclusive,
    Overlapped,
    InProgress,
    BackwardFromStart,
    ForwardFromStart,
    BackwardFromEnd,
    ForwardFromEnd,
    BackwardInProgress,
    ForwardInProgress,
}

/// The default comes first.
const MODES: [(&str, Mode); 12] = [
    ("Overlapped", Mode::Overlapped),
    ("None", Mode::None),
    ("StartInclusive", Mode::StartInclusive),
    ("EndInclusive", Mode::EndInclusive),
    ("Inclusive", Mode::Inclusive),
    ("InProgress", Mode::InProgress),
    ("BackwardFromStartTime", Mode::BackwardFromStart),
    ("ForwardFromStartTime", Mode::ForwardFromStart),
    ("BackwardFromEndTime", Mode::BackwardFromEnd),
    ("ForwardFromEndTime", Mode::ForwardFromEnd),
    ("BackwardInProgress", Mode::BackwardInProgress),
    ("ForwardInProgress", Mode::ForwardInProgress),
];

impl Mode {
    /// Whether it runs from one time in one direction: then `endTime` and sorting are forbidden.
    fn directed(self) -> Option<(SortField, bool)> {
        match self {
            Self::BackwardFromStart | Self::BackwardInProgress => Some((SortField::Start, true)),
            Self::ForwardFromStart | Self::ForwardInProgress => Some((SortField::Start, false)),
            Self::BackwardFromEnd => Some((SortField::End, true)),
            Self::ForwardFromEnd => Some((SortField::End, false)),
            _ => None,
        }
    }

    fn finds(self, frame: &Frame, start: Ticks, end: Ticks) -> bool {
        let ends = frame.end.unwrap_or(Ticks::END);
        let started = (start..=end).contains(&frame.start);
        let ended = (start..=end).contains(&ends);
        match self {
            Self::None => true,
            Self::StartInclusive => started,
            Self::EndInclusive => ended,
            Self::Inclusive => started && ended,
            Self::Overlapped => frame.start <= end && ends >= start,
            Self::InProgress => started && frame.end.is_none(),
            Self::BackwardFromStart => frame.start <= start,
            Self::ForwardFromStart => frame.start >= start,
            Self::BackwardFromEnd => ends <= start,
            Self::ForwardFromEnd => ends >= start,
            Self::BackwardInProgress => frame.start <= start && frame.end.is_none(),
            Self::ForwardInProgress => frame.start >= start && frame.end.is_none(),
        }
    }
}

/// The frames below a database or event frame, or those that refer to an element, in the order of the call.
///
/// # Errors
/// 400 for words that do not exist, times that cannot be read, and parameters that the search mode forbids.
pub(super) fn frames(store: &Store, call: &Call<'_>, root: Ix) -> Result<Vec<Ix>, Refusal> {
    let mode = call.word("searchMode", &MODES)?;
    let full = call.flag("searchFullHierarchy", false)?;
    let directed = mode.directed();
    if directed.is_some()
        && let Some(name) = ["endTime", "sortField", "sortOrder"].into_iter().find(|name| call.filled(name).is_some())
    {
        return Err(Refusal::bad(format!("Parameter '{name}' is not supported with the specified search mode.")));
    }
    let start = instant(call, "startTime", if directed.is_some() { "*" } else { "*-8h" })?;
    let end = if directed.is_some() { Ticks::END } else { instant(call, "endTime", "*")? };
    let (start, end) = if directed.is_none() && end < start { (end, start) } else { (start, end) };
    let severities = severities(call)?;
    let can = call.filled("canBeAcknowledged").map(|_| call.flag("canBeAcknowledged", false)).transpose()?;
    let is = call.filled("isAcknowledged").map(|_| call.flag("isAcknowledged", false)).transpose()?;

    let mut all = candidates(store, root, full);
    all.retain(|ix| {
        let Some(frame) = store.frame(*ix) else { return false };
        visible(store, *ix)
            && mode.finds(frame, start, end)
            && fits(call.filled("nameFilter"), &store.object(*ix).name)
            && in_category(store, *ix, call.filled("categoryName"))
            && of_template(store, *ix, call.filled("templateName"))
            && (severities.is_empty() || severities.contains(&frame.severity))
            && can.is_none_or(|can| frame.can_be_acknowledged == can)
            && is.is_none_or(|is| frame.acknowledged.is_some() == is)
            && refers(store, call, frame)
    });
    match directed {
        Some((field, descending)) => sort_by(store, field, descending, &mut all),
        None => sort(store, call, &mut all)?,
    }
    Ok(all)
}

fn candidates(store: &Store, root: Ix, full: bool) -> Vec<Ix> {
    if store.object(root).kind == Kind::Element {
        let refers = |ix: &Ix| store.frame(*ix).is_some_and(|frame| frame.elements.contains(&root));
        return store.all().filter(|ix| !store.object(*ix).deleted && refers(ix)).collect();
    }
    let mut all: Vec<Ix> = store.owned(root, Kind::EventFrame).collect();
    if full {
        let mut at = 0;
        while at < all.len() {
            all.extend(store.owned(all[at], Kind::EventFrame));
            at += 1;
        }
    }
    all
}

/// Whether a frame refers to an element that fits the call's filters.
fn refers(store: &Store, call: &Call<'_>, frame: &Frame) -> bool {
    let (name, template) = (call.filled("referencedElementNameFilter"), call.filled("referencedElementTemplateName"));
    if name.is_none() && template.is_none() {
        return true;
    }
    frame.elements.iter().any(|element| {
        visible(store, *element) && fits(name, &store.object(*element).name) && of_template(store, *element, template)
    })
}

fn severities(call: &Call<'_>) -> Result<Vec<&'static str>, Refusal> {
    const ALL: [&str; 6] = ["None", "Information", "Warning", "Minor", "Major", "Critical"];
    let given = call.all("severity").filter(|text| !text.is_empty());
    given
        .map(|text| {
            let known = ALL.into_iter().find(|known| known.eq_ignore_ascii_case(text));
            known.ok_or_else(|| Refusal::bad(format!("The value '{text}' is not valid for 'severity'.")))
        })
        .collect()
}
