//! Options of lists: which objects, how many, how they are walked.

use lakeflow_simulators::osipi::{AfKind, ExpectedObject, RunningServer, Spelling};

use super::{Case, Seen, all_hold, case, object, plant, webid};

const HIERARCHY: &str = "pi_af_hierarchy";
const ATTRIBUTES: &str = "pi_element_attributes";

/// All rows have this text in a column, and there are others.
fn only(column: &'static str, wanted: &str) -> impl Fn(&Seen) -> bool + use<> {
    let wanted = wanted.to_owned();
    move |seen| seen.is_part(|row| row[column] == wanted.as_str())
}

fn first_category(one: &ExpectedObject) -> Option<&str> {
    one.fields["CategoryNames"].as_array()?.first()?.as_str()
}

pub(super) fn cases(server: &RunningServer) -> Vec<Case<'static>> {
    let database = object(server, AfKind::Analysis, |_| true).database.unwrap();
    let categorised = object(server, AfKind::Element, |one| first_category(one).is_some());
    let category = first_category(&categorised).unwrap().to_owned();
    let named = category.clone();
    let templated = object(server, AfKind::Element, |one| one.fields["TemplateName"] != "");
    let template = templated.fields["TemplateName"].as_str().unwrap().to_owned();
    let attributes = server.assets().expected(AfKind::AttributeTemplate);
    let holder = |instance: &str| {
        object(server, AfKind::ElementTemplate, |one| {
            let has_some = attributes.iter().any(|attribute| attribute.holder.as_deref() == Some(&one.web_id));
            one.fields["InstanceType"] == instance && has_some
        })
        .web_id
    };
    let (of_elements, of_frames) = (holder("Element"), holder("EventFrame"));
    let af_table = object(server, AfKind::Table, |one| !one.rows.is_empty()).web_id;
    let with_trait = object(server, AfKind::Attribute, |one| {
        one.fields["TraitName"].as_str().is_some_and(|name| !name.is_empty()) && one.web_id.starts_with("I1AbE")
    });
    let of_trait = with_trait.fields["TraitName"].as_str().unwrap().to_owned();
    let point = webid(server, 0);
    let second = server.server_web_id("PISRV2", Spelling::IdOnly).unwrap();
    vec![
        case("pi_points", &[], &[("maxTotalCount", "3")], |seen| {
            seen.with.error.as_ref().is_some_and(|error| error.to_string().contains("maxTotalCount"))
                && seen.without.error.is_none()
        }),
        case("pi_points", &[("dataserver_webid", &second)], &[("startIndex", "3")], |seen| {
            let all = seen.without.sorted();
            seen.with.rows.len() == all.len() - 3 && seen.with.sorted().iter().all(|row| all.contains(row))
        }),
        case("pi_point_attributes", &[], &[("point_webids", &point)], only("point_webid", &point)),
        case("pi_point_attributes", &[], &[("default_points", "2")], |seen| {
            seen.with.all("point_webid").len() == 2 && seen.without.all("point_webid").len() == 9
        }),
        case("pi_point_attributes", &[], &[("name", "span")], only("name", "span")),
        case("pi_point_attributes", &[], &[("attributeNameFilter", "spa?")], only("name", "span")),
        case(HIERARCHY, &[], &[("templateName", &template)], only("template_name", &template)),
        case(HIERARCHY, &[], &[("categoryName", &category)], move |seen| {
            let is_in = |row: &serde_json::Value| {
                row["category_names"].as_array().is_some_and(|names| names.iter().any(|name| *name == named.as_str()))
            };
            seen.is_part(is_in)
        }),
        case(HIERARCHY, &[], &[("elementType", "Flow")], |seen| {
            seen.with.error.is_none() && seen.with.rows.len() < seen.without.rows.len()
        }),
        case(HIERARCHY, &[], &[("traversal", "levels")], |seen| {
            let per_element = |read: &super::Read| {
                read.asked.iter().filter(|asked| asked.path.contains("/elements/")).count() + read.requests_to("/batch")
            };
            seen.with.all("element_webid") == seen.without.all("element_webid")
                && per_element(&seen.with) > per_element(&seen.without)
        }),
        case(ATTRIBUTES, &[], &[("default_elements", "2")], |seen| {
            // Not all of them have attributes.
            seen.with.error.is_none() && seen.with.rows.len() < seen.without.rows.len()
        }),
        case(ATTRIBUTES, &[], &[("searchFullHierarchy", "false")], |seen| {
            seen.is_part(|row| row.get("parent_attribute_webid").is_none())
        }),
        case(ATTRIBUTES, &[], &[("showHidden", "false")], |seen| seen.is_part(|row| row["is_hidden"] == false)),
        case(ATTRIBUTES, &[], &[("showExcluded", "false")], |seen| seen.is_part(|row| row["is_excluded"] == false)),
        case(ATTRIBUTES, &[], &[("trait", &of_trait)], only("trait_name", &of_trait)),
        case(
            "pi_element_template_attributes",
            &[],
            &[("elementtemplate_webid", &of_elements)],
            only("elementtemplate_webid", &of_elements),
        ),
        case("pi_eventframe_template_attributes", &[], &[("eventframe_template_webid", &of_frames)], |seen| {
            seen.with.error.is_none() && !seen.with.rows.is_empty() && seen.with.rows.len() <= seen.without.rows.len()
        }),
        case("pi_af_table_rows", &[], &[("table_webid", &af_table)], only("table_webid", &af_table)),
        case("pi_af_table_rows", &[], &[("default_tables", "1")], |seen| {
            seen.with.all("table_webid").len() == 1 && seen.without.all("table_webid").len() > 1
        }),
        case("pi_analyses", &[], &[("assetdatabase_webid", &database)], {
            let database = database.clone();
            move |seen| seen.with.each(|row| row["assetdatabase_webid"] == database.as_str())
        }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_option_of_lists_does_what_it_says() {
    let server = plant();
    all_hold(&server, cases(&server)).await;
}
