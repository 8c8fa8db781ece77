//! Options of event frames: which ones, and what comes with them.

use std::collections::BTreeSet;

use lakeflow_simulators::osipi::{AfKind, ExpectedFrame, RunningServer};

use super::{Case, Seen, all_hold, case, plant};

const FRAMES: &str = "pi_event_frames";
/// All frames of the plant, as they are now.
const ALL: &[(&str, &str)] =
    &[("startTime", "*-60d"), ("searchMode", "Overlapped"), ("include_attribute_values", "false")];

/// Just these frames come, and there are others.
fn just(server: &RunningServer, is: impl Fn(&ExpectedFrame) -> bool) -> Box<dyn Fn(&Seen) -> bool> {
    let wanted: BTreeSet<String> =
        server.assets().expected_frames().into_iter().filter(|frame| is(frame)).map(|frame| frame.web_id).collect();
    Box::new(move |seen| {
        let found = seen.with.all("event_frame_webid");
        !found.is_empty() && found == wanted && seen.without.rows.len() > found.len()
    })
}

pub(super) fn cases(server: &RunningServer) -> Vec<Case<'static>> {
    let frames = server.assets().expected_frames();
    let of_template = frames.iter().find(|frame| !frame.template.is_empty()).unwrap();
    let (template, severity) = (of_template.template.clone(), of_template.severity);
    let of_category = frames.iter().find(|frame| !frame.categories.is_empty()).unwrap();
    let category = of_category.categories[0].clone();
    let elements = server.assets().expected(AfKind::Element);
    let of = |webid: &str| elements.iter().find(|element| element.web_id == webid);
    let element = frames
        .iter()
        .flat_map(|frame| frame.readable_elements.iter().filter_map(|webid| of(webid)))
        .find(|element| element.fields["TemplateName"].as_str().is_some_and(|name| !name.is_empty()))
        .unwrap();
    let element_template = element.fields["TemplateName"].as_str().unwrap().to_owned();
    // Elements of other parents may share the name.
    let named = |frame: &ExpectedFrame| {
        frame.readable_elements.iter().any(|webid| of(webid).is_some_and(|one| one.name == element.name))
    };
    let (first, name) = (frames[0].web_id.clone(), frames[0].name.clone());
    vec![
        case(FRAMES, &ALL[2..], &[("event_frame_webids", &first)], {
            let first = first.clone();
            move |seen| seen.with.rows.len() == 1 && seen.with.each(|row| row["event_frame_webid"] == first.as_str())
        }),
        case(FRAMES, ALL, &[("default_event_frames", "3")], |seen| {
            seen.with.rows.len() == 3 && seen.without.rows.len() > 3
        }),
        case(FRAMES, ALL, &[("templateName", &template)], just(server, |frame| frame.template == template)),
        case(FRAMES, ALL, &[("categoryName", &category)], just(server, |frame| frame.categories.contains(&category))),
        case(FRAMES, ALL, &[("nameFilter", &name)], just(server, |frame| frame.name == name)),
        case(FRAMES, ALL, &[("severity", severity)], just(server, |frame| frame.severity == severity)),
        case(FRAMES, ALL, &[("referencedElementNameFilter", &element.name)], just(server, named)),
        case(FRAMES, ALL, &[("referencedElementTemplateName", &element_template)], |seen| {
            !seen.with.rows.is_empty() && seen.with.rows.len() < seen.without.rows.len()
        }),
        case(FRAMES, ALL, &[("searchFullHierarchy", "false")], just(server, |frame| frame.parent.is_none())),
        case(FRAMES, &ALL[..1], &[("include_attribute_values", "false")], |seen| {
            seen.with
                .each(|row| row.get("attributes").is_none_or(|map| map.as_object().is_none_or(|map| map.is_empty())))
                && seen.without.rows.iter().any(|row| row["attributes"].as_object().is_some_and(|map| !map.is_empty()))
        }),
        case(FRAMES, &[ALL[0], ALL[2]], &[("searchMode", "InProgress")], just(server, |frame| frame.end.is_none())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_of_event_frames_does_what_it_says() {
    let server = plant();
    all_hold(&server, cases(&server)).await;
}
