//! Databases, elements, attributes and all the rest but event frames.

use std::collections::{BTreeMap, BTreeSet};

use lakeflow_simulators::osipi::{AfChange, AfKind, ExpectedObject, RunningServer};
use serde_json::{Value, json};

use crate::osipi_support::{answer, database, items, ok, plant, refused, text, texts};

fn expected(server: &RunningServer, kind: AfKind) -> Vec<ExpectedObject> {
    server.assets().expected(kind)
}

fn below(server: &RunningServer, kind: AfKind, database: &str) -> Vec<ExpectedObject> {
    expected(server, kind).into_iter().filter(|object| object.database.as_deref() == Some(database)).collect()
}

/// What a list says is exactly what the oracle says, member by member.
fn agree(items: &[Value], oracle: &[ExpectedObject]) {
    let by_id: BTreeMap<&str, &Value> = items.iter().map(|item| (text(item, "WebId"), item)).collect();
    assert_eq!(by_id.len(), items.len(), "nothing comes twice");
    let ids: BTreeSet<&str> = oracle.iter().map(|object| object.web_id.as_str()).collect();
    assert_eq!(by_id.keys().copied().collect::<BTreeSet<_>>(), ids);
    for object in oracle {
        let item = by_id[object.web_id.as_str()];
        assert_eq!(
            (text(item, "Id"), text(item, "Name"), text(item, "Description"), text(item, "Path")),
            (object.id.as_str(), object.name.as_str(), object.description.as_str(), object.path.as_str())
        );
        for (name, value) in &object.fields {
            assert_eq!(&item[name], value, "{name} of {}", object.path);
        }
        assert!(text(&item["Links"], "Self").ends_with(&object.web_id), "{item}");
    }
}

#[tokio::test]
async fn every_kind_is_listed_whole_and_as_the_oracle_holds_it() {
    let server = plant(|_| ());
    agree(&items(&server, "assetservers").await, &expected(&server, AfKind::AssetServer));
    let (mut databases, mut classes, mut units) = (Vec::new(), Vec::new(), Vec::new());
    for owner in expected(&server, AfKind::AssetServer) {
        databases.extend(items(&server, &format!("assetservers/{}/assetdatabases", owner.web_id)).await);
        let found = items(&server, &format!("assetservers/{}/unitclasses", owner.web_id)).await;
        for class in texts(&found, "WebId") {
            units.extend(items(&server, &format!("unitclasses/{class}/units")).await);
        }
        classes.extend(found);
    }
    agree(&databases, &expected(&server, AfKind::AssetDatabase));
    agree(&classes, &expected(&server, AfKind::UnitClass));
    agree(&units, &expected(&server, AfKind::Unit));
    for (kind, route) in [
        (AfKind::ElementCategory, "elementcategories"),
        (AfKind::AttributeCategory, "attributecategories"),
        (AfKind::AnalysisCategory, "analysiscategories"),
        (AfKind::TableCategory, "tablecategories"),
        (AfKind::Table, "tables"),
        (AfKind::EnumerationSet, "enumerationsets"),
        (AfKind::ElementTemplate, "elementtemplates?field=Name"),
        (AfKind::AnalysisTemplate, "analysistemplates?field=Name"),
        (AfKind::Analysis, "analyses?field=Name&maxCount=7"),
        (AfKind::Element, "elements?searchFullHierarchy=true&associations=Paths&maxCount=7"),
    ] {
        let mut all = Vec::new();
        for database in texts(&databases, "WebId") {
            all.extend(items(&server, &format!("assetdatabases/{database}/{route}")).await);
        }
        assert!(!all.is_empty(), "{route}");
        agree(&all, &expected(&server, kind));
    }
}

#[tokio::test]
async fn what_belongs_to_templates_sets_and_elements_is_listed_whole() {
    let server = plant(|_| ());
    for (owner, route, kind) in [
        (
            AfKind::ElementTemplate,
            "elementtemplates/{}/attributetemplates?showDescendants=true",
            AfKind::AttributeTemplate,
        ),
        (AfKind::EnumerationSet, "enumerationsets/{}/enumerationvalues", AfKind::EnumerationValue),
        (
            AfKind::Element,
            "elements/{}/attributes?searchFullHierarchy=true&showHidden=true&showExcluded=true",
            AfKind::Attribute,
        ),
    ] {
        let held = expected(&server, kind);
        let mut seen = 0;
        for owner in expected(&server, owner) {
            let list = items(&server, &route.replace("{}", &owner.web_id)).await;
            let held: Vec<_> =
                held.iter().filter(|object| object.holder.as_deref() == Some(&owner.web_id)).cloned().collect();
            agree(&list, &held);
            seen += list.len();
        }
        assert!(seen > 20, "{route}: {seen}");
    }
}

#[tokio::test]
async fn hidden_excluded_and_nested_attributes_come_only_when_asked_for() {
    let server = plant(|_| ());
    let boiler = expected(&server, AfKind::Element)
        .into_iter()
        .find(|element| element.fields["TemplateName"] == "Boiler")
        .unwrap()
        .web_id;
    let count = async |query: &str| items(&server, &format!("elements/{boiler}/attributes{query}")).await.len();
    let plain = count("").await;
    assert_eq!(count("?showHidden=true").await, plain + 1);
    assert_eq!(count("?showExcluded=true").await, plain + 1);
    assert_eq!(count("?searchFullHierarchy=true").await, plain + 7);
    assert_eq!(count("?searchFullHierarchy=true&trait=LimitHiHi&trait=Forecast").await, 2);
    assert_eq!(count("?nameFilter=Temp%2A").await, 1);
    assert_eq!(count("?categoryName=Process&valueType=Single").await, 1);
    let inherited = expected(&server, AfKind::ElementTemplate).into_iter().find(|t| t.name == "Boiler").unwrap();
    let own = items(&server, &format!("elementtemplates/{}/attributetemplates", inherited.web_id)).await.len();
    let all = format!("elementtemplates/{}/attributetemplates?showInherited=true", inherited.web_id);
    assert_eq!(items(&server, &all).await.len(), own + 4);
}

#[tokio::test]
async fn elements_have_one_place_many_paths_and_even_circles() {
    let server = plant(|af| af.elements = 200);
    let plant = database(&server, "Plant").await;
    let all = below(&server, AfKind::Element, &plant);
    assert!(all.len() > 150, "{}", all.len());
    let deepest = all.iter().map(|element| element.path.matches('\\').count()).max().unwrap();
    assert!(deepest >= 11, "{deepest}");
    let shared = all.iter().find(|element| !element.other_paths.is_empty()).unwrap();
    let top = all.iter().filter(|element| element.owner.as_deref() == Some(&plant)).count();
    assert_eq!(items(&server, &format!("assetdatabases/{plant}/elements")).await.len(), top);

    // Level by level, the shared elements come once for each parent, and a circle leads back to the top.
    let (mut seen, mut visits, mut circle) = (BTreeSet::new(), 0, false);
    let mut open = texts(&items(&server, &format!("assetdatabases/{plant}/elements")).await, "WebId");
    let first = open.clone();
    while let Some(id) = open.pop() {
        visits += 1;
        if !seen.insert(id.clone()) {
            circle |= first.contains(&id);
            continue;
        }
        open.extend(texts(&items(&server, &format!("elements/{id}/elements")).await, "WebId"));
    }
    assert!(circle);
    assert_eq!(seen.len(), all.len());
    assert!(visits > seen.len() + 5, "{visits}");
    let one = ok(&server, &format!("elements?associations=Paths&path={}", urlencoded(&shared.path))).await;
    assert_eq!(one["Paths"].as_array().unwrap().len(), 1 + shared.other_paths.len());
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test]
async fn an_object_is_found_by_every_spelling_and_by_its_path() {
    let server = plant(|_| ());
    for kind in [AfKind::Element, AfKind::Attribute, AfKind::EventFrame, AfKind::Table, AfKind::EnumerationValue] {
        let route = match kind {
            AfKind::Element => "elements",
            AfKind::Attribute => "attributes",
            AfKind::EventFrame => "eventframes",
            AfKind::Table => "tables",
            _ => "enumerationvalues",
        };
        let objects = expected(&server, kind);
        let object = &objects[objects.len() / 3];
        for spelling in ["Full", "IDOnly", "PathOnly", "LocalIDOnly", "DefaultIDOnly"] {
            let shown = ok(&server, &format!("{route}/{}?webIdType={spelling}", object.web_id)).await;
            let spelled = text(&shown, "WebId");
            assert_eq!(spelled.get(..1), spelling.get(..1));
            let again = ok(&server, &format!("{route}/{spelled}")).await;
            // Paths of event frames and of twins in a set are not unique.
            if spelling != "PathOnly" || matches!(kind, AfKind::Element | AfKind::Table) {
                assert_eq!(again["Id"], shown["Id"], "{spelled}");
            }
        }
        let by_path = ok(&server, &format!("{route}?path={}", urlencoded(&object.path.to_lowercase()))).await;
        assert_eq!(text(&by_path, "Path").to_lowercase(), object.path.to_lowercase());
    }
    assert_eq!(ok(&server, "assetservers?name=afsrv2").await["Name"], "AFSRV2");
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_refused() {
    let server = plant(|_| ());
    let plant = database(&server, "Plant").await;
    let element = &below(&server, AfKind::Element, &plant)[0].web_id;
    for path in [
        format!("assetdatabases/{plant}/categories"),
        format!("assetdatabases/{plant}/eventframetemplates"),
        format!("assetdatabases/{plant}/uoms"),
        format!("tables/{plant}/rows"),
        format!("eventframetemplates/{plant}/attributetemplates"),
        format!("eventframes/{plant}/acknowledgements"),
        format!("streams/{plant}/calculated"),
        format!("tables/{element}"),
        "elements?path=%5C%5CAFSRV1%5CPlant%5Cnowhere".to_owned(),
        "assetservers?name=nobody".to_owned(),
        "attributetraits/Nothing".to_owned(),
    ] {
        assert_eq!(refused(&server, &path).await, 404, "{path}");
    }
    for path in [
        "elements/no-web-id".to_owned(),
        "elements".to_owned(),
        "attributetraits".to_owned(),
        "attributetraits?category=Nothing".to_owned(),
        format!("assetdatabases/{plant}/elementtemplates"),
        format!("assetdatabases/{plant}/analysistemplates"),
        format!("assetdatabases/{plant}/analyses"),
        format!("assetdatabases/{plant}/elements?sortField=Size"),
        format!("assetdatabases/{plant}/elements?webIdType=Short"),
        format!("assetdatabases/{plant}/elements?maxCount=150001"),
        format!("assetdatabases/{plant}/elements?searchFullHierarchy=yes"),
    ] {
        assert_eq!(refused(&server, &path).await, 400, "{path}");
    }
    server.assets().change(AfChange::Deny { object: element.clone(), denied: true }).unwrap();
    assert_eq!(refused(&server, &format!("elements/{element}")).await, 403);
    assert_eq!(refused(&server, &format!("elements/{element}/attributes")).await, 403);
    let listed = items(&server, &format!("assetdatabases/{plant}/elements?searchFullHierarchy=true")).await;
    assert!(!texts(&listed, "WebId").contains(element));
    server.assets().change(AfChange::Deny { object: element.clone(), denied: false }).unwrap();
    ok(&server, &format!("elements/{element}")).await;
    server.assets().change(AfChange::Delete { object: element.clone() }).unwrap();
    assert_eq!(refused(&server, &format!("elements/{element}")).await, 404);
}

#[tokio::test]
async fn templates_have_no_pages() {
    let server = plant(|_| ());
    let plant = database(&server, "Plant").await;
    let names = async |query: &str| {
        texts(&items(&server, &format!("assetdatabases/{plant}/elementtemplates?field=Name{query}")).await, "Name")
    };
    let all = names("").await;
    assert!(all.is_sorted());
    assert_eq!(names("&startIndex=3").await, all, "a start index means nothing here");
    assert_eq!(names("&maxCount=4").await, all[..4]);
    assert_eq!(names("&query=b%2A").await, ["Batch", "Boiler"]);
    let templates = expected(&server, AfKind::ElementTemplate);
    let kinds: BTreeSet<_> = templates.iter().filter_map(|template| template.fields["InstanceType"].as_str()).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ["Element", "EventFrame", "Transfer"]);
}

#[tokio::test]
async fn a_template_filter_finds_what_derived_templates_made() {
    let server = plant(|_| ());
    let plant = database(&server, "Plant").await;
    let count = async |query: &str| {
        items(&server, &format!("assetdatabases/{plant}/elements?searchFullHierarchy=true{query}")).await.len()
    };
    let (boilers, pumps, tanks) =
        (count("&templateName=Boiler").await, count("&templateName=Pump").await, count("&templateName=Tank").await);
    assert!(boilers > 5 && pumps > 5 && tanks > 2);
    assert_eq!(count("&templateName=equipment").await, boilers + pumps + tanks);
    assert!(count("&categoryName=Critical").await > boilers);
    assert!(count("&elementType=Node").await > 5);
    assert_eq!(count("&elementType=Any").await, count("").await);
    assert_eq!(count("&nameFilter=%2AS%C3%B6hne%2A").await, count("&nameFilter=%2A%26%20s%C3%96hne%2A").await);
}

#[tokio::test]
async fn tables_keep_their_rows_types_and_gaps() {
    let server = plant(|_| ());
    for table in expected(&server, AfKind::Table) {
        let data = ok(&server, &format!("tables/{}/data?startIndex=5&maxCount=2", table.web_id)).await;
        assert_eq!(data["Rows"], json!(table.rows), "all rows, whatever was asked for");
        assert!(!data["Columns"].as_object().unwrap().is_empty());
    }
    let odd = expected(&server, AfKind::Table).into_iter().find(|table| table.name.starts_with("Odd")).unwrap();
    let data = ok(&server, &format!("tables/{}/data", odd.web_id)).await;
    assert_eq!(data["Columns"], json!({ "Text Column": "String", "größe": "Int64" }));
    assert!(data["Rows"][1]["größe"].is_null() && data["Rows"][2].get("Text Column").is_none());
}

#[tokio::test]
async fn attributes_tell_values_of_every_kind() {
    let server = plant(|_| ());
    let plant = database(&server, "Plant").await;
    let value = async |name: &str| {
        let all = below(&server, AfKind::Attribute, &plant);
        let found = all.into_iter().find(|attribute| attribute.name == name).unwrap();
        ok(&server, &format!("attributes/{}/value", found.web_id)).await
    };
    assert!(value("Mode").await["Value"]["IsSystem"] == false);
    assert!(value("Starts").await["Value"].as_i64().unwrap() >= 9_007_199_254_740_993);
    assert!(value("Profile").await["Value"].is_array());
    assert_eq!(value("Installed").await["Timestamp"], "1970-01-01T00:00:00Z");
    let failed = value("Availability").await;
    assert_eq!((&failed["Good"], &failed["Value"]["Value"]), (&json!(false), &json!(249)));
    assert!(value("Retired Tag").await["Value"]["Errors"][0].as_str().unwrap().contains("not found"));
    assert_eq!(value("Rated Power").await["UnitsAbbreviation"], "kW");
    let points = below(&server, AfKind::Attribute, &plant);
    let points: Vec<_> =
        points.iter().filter(|attribute| attribute.fields["DataReferencePlugIn"] == "PI Point").collect();
    assert!(
        points.iter().all(|attribute| attribute.fields["ConfigString"].as_str().unwrap().starts_with(r"\\PISRV1\"))
    );
    assert!(points.len() > 20);
}

#[tokio::test]
async fn multi_get_tells_the_outcome_of_each() {
    let server = plant(|_| ());
    let element = &expected(&server, AfKind::Element)[3];
    let path = urlencoded(&element.path);
    let good = &element.web_id;
    let url = format!("elements/multiple?webId={good}&webId=bad&path={path}&path=%5C%5Cnowhere&webIdType=IDOnly");
    let (status, body) = answer(&server, &url).await;
    assert_eq!(status, 207);
    let items = body["Items"].as_array().unwrap();
    let outcome: Vec<_> =
        items.iter().map(|item| (text(item, "IdentifierType"), item["Exception"].is_null())).collect();
    assert_eq!(outcome, [("WebId", true), ("WebId", false), ("Path", true), ("Path", false)]);
    assert_eq!(items[0]["Object"], items[2]["Object"]);
    assert!(items[1]["Object"].is_null() && items[1]["Exception"]["Errors"][0].is_string());
    let (_, only) = answer(&server, &format!("{url}&includeMode=ItemsWithException")).await;
    assert_eq!(only["Items"].as_array().unwrap().len(), 2);
    assert_eq!(refused(&server, "elements/multiple").await, 400);
}

#[tokio::test]
async fn a_list_may_change_between_its_pages() {
    let server = plant(|_| ());
    let plant = database(&server, "Plant").await;
    let assets = server.assets();
    let url = format!("assetdatabases/{plant}/elements?searchFullHierarchy=true&maxCount=20");
    let before = items(&server, &url).await;
    let leaf = before.iter().take(20).find(|element| element["HasChildren"] == false).unwrap();
    assets.change_after("/elements", vec![AfChange::Delete { object: text(leaf, "WebId").to_owned() }]);
    let seen = texts(&items(&server, &url).await, "WebId");
    let after: Vec<_> = below(&server, AfKind::Element, &plant).into_iter().map(|element| element.web_id).collect();
    let missed: Vec<_> = after.iter().filter(|id| !seen.contains(id)).collect();
    assert!(!missed.is_empty(), "the rows moved up by one and one was skipped");
    let added =
        AfChange::AddElement { parent: plant.clone(), name: "000".to_owned(), template: Some("Pump".to_owned()) };
    assets.change_after("/elements", vec![added]);
    let seen = texts(&items(&server, &url).await, "WebId");
    assert!(seen.windows(2).any(|pair| pair[0] == pair[1]), "the rows moved down by one and one came twice");
}

#[tokio::test]
async fn renamed_elements_keep_their_ids_and_change_all_paths_below() {
    let server = plant(|_| ());
    let plant = database(&server, "Plant").await;
    let all = below(&server, AfKind::Element, &plant);
    let parent = all.iter().find(|element| element.owner.as_deref() == Some(&plant)).unwrap();
    let child = all.iter().find(|element| element.owner.as_deref() == Some(&parent.web_id)).unwrap();
    let full = ok(&server, &format!("elements/{}", child.web_id)).await;
    server.assets().change(AfChange::Rename { object: parent.web_id.clone(), name: "Renamed".to_owned() }).unwrap();
    let after = ok(&server, &format!("elements/{}", child.web_id)).await;
    assert_eq!(after["Id"], full["Id"]);
    assert!(text(&after, "Path").contains(r"\Renamed\"));
    assert_ne!(after["WebId"], full["WebId"], "the path is part of a full WebID");
    assert_eq!(refused(&server, &format!("elements?path={}", urlencoded(&child.path))).await, 404);
}

#[tokio::test]
async fn the_same_seed_makes_the_same_plant() {
    let (one, two) = (plant(|_| ()), plant(|_| ()));
    for kind in AfKind::ALL {
        assert_eq!(expected(&one, kind), expected(&two, kind));
    }
    assert_eq!(one.assets().expected_frames(), two.assets().expected_frames());
    assert_ne!(one.assets().expected_frames()[0].web_id, one.assets().expected_frames()[1].web_id);
}
