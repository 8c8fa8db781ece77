//! Options of tables of recorded values: which tags, which time, how much at a time.

use lakeflow_simulators::osipi::{AfKind, RunningServer, Spelling};

use super::{Case, all_hold, case, object, plant, webid};

const RECORDED: &str = "pi_timeseries";
const FIELDS: &str = "Items.Timestamp;Items.Value;Items.Good;Items.Questionable;Items.Substituted";
const SINCE: (&str, &str) = ("startTime", "2026-03-18T10:00:00Z");
/// Two hours of all tags, each event final.
const TWO_HOURS: &[(&str, &str)] = &[("startTime", "*-2h"), ("snapshot_policy", "include")];

pub(super) fn cases(server: &RunningServer) -> Vec<Case<'static>> {
    let (first, name) = (webid(server, 0), server.point(&server.points()[0]).unwrap().name);
    let only = |tag: &str| {
        let tag = tag.to_owned();
        move |seen: &super::Seen| seen.is_part(|row| row["tag_webid"] == tag.as_str())
    };
    let mut cases = vec![
        case(RECORDED, TWO_HOURS, &[("tag_webids", &first)], only(&first)),
        case(RECORDED, TWO_HOURS, &[("tag_names", &name)], only(&first)),
        case(RECORDED, TWO_HOURS, &[("tag_paths", &server.points()[0])], only(&first)),
        case(RECORDED, TWO_HOURS, &[("nameFilter", &name.to_lowercase())], only(&first)),
        case(RECORDED, TWO_HOURS, &[("default_tags", "3")], |seen| seen.with.all("tag_webid").len() == 3),
        case(RECORDED, &[TWO_HOURS[0], TWO_HOURS[1], ("change_capture", "none")], &[("tag_share", "1/2")], |seen| {
            (1..9).contains(&seen.with.all("tag_webid").len()) && seen.without.all("tag_webid").len() == 9
        }),
        case(RECORDED, TWO_HOURS, &[("tags_per_request", "2")], |seen| {
            seen.is_same() && seen.with.requests_to("/batch") > seen.without.requests_to("/batch")
        }),
        case(RECORDED, TWO_HOURS, &[("maxCount", "20")], |seen| {
            seen.is_same() && seen.with.requests_to("/batch") > seen.without.requests_to("/batch")
        }),
        case(RECORDED, TWO_HOURS, &[("target_response_bytes", "65536")], super::Seen::is_same),
        case(RECORDED, TWO_HOURS, &[("selectedFields", FIELDS)], |seen| {
            let bare = |row: &serde_json::Value| row.get("annotated").is_none() && row["good"].is_boolean();
            seen.with.each(bare) && seen.with.rows.len() == seen.without.rows.len()
        }),
        case(RECORDED, TWO_HOURS, &[("prefer_streamset", "true")], |seen| {
            seen.is_same() && seen.with.requests_to("/batch") == 0 && seen.with.requests_to("/streamsets/recorded") > 0
        }),
        case(RECORDED, TWO_HOURS, &[("boundaryType", "Inside")], super::Seen::is_same),
        case(RECORDED, TWO_HOURS, &[("max_records_per_batch", "100")], |seen| {
            seen.is_same() && seen.with.units > seen.without.units
        }),
        case(RECORDED, &[], &[("startTime", "*-1h")], |seen| seen.is_part(|row| after(row, "2026-03-18T11:00"))),
        case(RECORDED, &[], &[("lookback_minutes", "60")], |seen| seen.is_part(|row| after(row, "2026-03-18T11:00"))),
        case(RECORDED, &[], &[("lookback_days", "1")], |seen| seen.is_part(|row| after(row, "2026-03-17T12:00"))),
        case(RECORDED, &[SINCE, TWO_HOURS[1]], &[("endTime", "2026-03-18T11:00:00Z")], |seen| {
            seen.is_part(|row| !after(row, "2026-03-18T11:00:01"))
        }),
        case(
            RECORDED,
            &[("startTime", "2026-03-18T11:00:00"), ("snapshot_policy", "include")],
            &[("timeZone", "Europe/Berlin")],
            |seen| {
                let first = |read: &super::Read| read.all("timestamp").pop_first().unwrap_or_default();
                first(&seen.with).starts_with("2026-03-18T10:0") && first(&seen.without).starts_with("2026-03-18T11:0")
            },
        ),
        case(RECORDED, &TWO_HOURS[..1], &[("snapshot_policy", "exclude")], |seen| {
            seen.is_part(|row| row["is_snapshot"] == false) && seen.without.rows.len() - seen.with.rows.len() == 9
        }),
        case(RECORDED, TWO_HOURS, &[("filterExpression", "'.' > 50")], |seen| {
            seen.is_part(|row| row["value"].as_f64().is_some_and(|value| value > 50.0))
        }),
        case(
            RECORDED,
            &[TWO_HOURS[0], TWO_HOURS[1], ("filterExpression", "'.' > 50")],
            &[("includeFilteredValues", "true")],
            |seen| seen.with.rows.len() > seen.without.rows.len() && seen.without.error.is_none(),
        ),
        case(RECORDED, &TWO_HOURS[..1], &[("compat", "upstream")], |seen| {
            seen.with.each(|row| row.get("value_type").is_none() && row.get("event_seq").is_none())
        }),
        case(
            RECORDED,
            &[TWO_HOURS[0], ("tag_names", &format!("NO.SUCH.TAG,{name}"))],
            &[("on_tag_error", "quarantine")],
            move |seen| seen.without.error.is_some() && seen.with.each(|row| row["tag_webid"] == first.as_str()),
        ),
    ];
    let second = server.server_web_id("PISRV2", Spelling::IdOnly).unwrap();
    let there: Vec<String> = (0..server.points().len())
        .filter(|number| server.points()[*number].starts_with(r"\\PISRV2"))
        .map(|number| webid(server, number))
        .collect();
    cases.push(case(RECORDED, TWO_HOURS, &[("dataserver_webid", &second)], move |seen| {
        seen.is_part(|row| there.iter().any(|tag| row["tag_webid"] == tag.as_str()))
    }));
    cases.extend(of_attributes(server));
    cases
}

fn after(row: &serde_json::Value, time: &str) -> bool {
    row["timestamp"].as_str().is_some_and(|at| at >= time)
}

/// Attributes as streams, by what they are.
fn of_attributes(server: &RunningServer) -> Vec<Case<'static>> {
    const END: &str = "pi_streamset_end";
    const QUARANTINE: (&str, &str) = ("on_tag_error", "quarantine");
    let attribute = object(server, AfKind::Attribute, |one| {
        one.fields["DataReferencePlugIn"] == "PI Point"
            && one.fields["IsHidden"] == false
            && one.web_id.starts_with("I1AbE")
    });
    let (webid, name) = (attribute.web_id.clone(), attribute.name.clone());
    let element = attribute.holder.clone().unwrap();
    let of = object(server, AfKind::Element, |one| one.web_id == element);
    let template = of.fields["TemplateName"].as_str().unwrap().to_owned();
    let asks_for = |webid: String| {
        move |seen: &super::Seen| {
            let asked = seen.with.parameters("webId");
            asked.contains(webid.as_str()) && asked != seen.without.parameters("webId")
        }
    };
    vec![
        case(END, &[QUARANTINE], &[("attribute_webids", &webid)], asks_for(webid.clone())),
        case(END, &[QUARANTINE], &[("element_webids", &element)], asks_for(webid.clone())),
        case(END, &[QUARANTINE], &[("templateName", &template)], asks_for(webid.clone())),
        case(
            END,
            &[QUARANTINE, ("templateName", &template)],
            &[("attributeNameFilter", &name)],
            asks_for(webid.clone()),
        ),
        case(
            END,
            &[QUARANTINE, ("attributeNameFilter", &name)],
            &[("assetdatabase_webid", attribute.database.as_deref().unwrap())],
            move |seen| seen.with.parameters("webId").contains(webid.as_str()),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_of_recorded_values_does_what_it_says() {
    let server = plant();
    all_hold(&server, cases(&server)).await;
}
