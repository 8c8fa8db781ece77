//! Which tags a table reads: by WebID, name, path, filter, element, template, and several of these at once.
//!
//! What was asked for is told by the server's log: `pi_streamset_end` names each stream in the address.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use lakeflow_connect::{ErrorKind, ReadEvent, ReadRequest, Result, TableRef};
use lakeflow_simulators::osipi::{AfKind, ExpectedObject, PointSpec, PointType, RunningServer, Spelling, Ticks};

use super::{connect_to, plant_with, rows_of};

/// Forty points on two data servers, and one that both have.
fn two_servers() -> RunningServer {
    let server = plant_with(&[("data-servers", "PISRV1,PISRV2"), ("points", "40")]);
    for name in ["PISRV1", "PISRV2"] {
        server.add_point(name, PointSpec::new("SAME", PointType::Float32)).unwrap();
    }
    server
}

/// A table of the newest value of each tag that these options choose.
fn chosen<'a>(options: impl IntoIterator<Item = (&'a str, &'a str)>) -> TableRef {
    options.into_iter().fold(TableRef::new("pi_streamset_end"), |table, (name, value)| table.option(name, value))
}

/// The streams that the server was asked for, in order of WebID, one as often as it was asked for.
async fn asked(server: &RunningServer, table: TableRef) -> Result<Vec<String>> {
    server.journal().clear();
    connect_to(server).read_table(ReadRequest::new(table)).try_collect::<Vec<_>>().await?;
    let exchanges = server.exchanges();
    let asked = exchanges.iter().filter(|exchange| exchange.path.ends_with("/streamsets/end"));
    let webids = asked.flat_map(|exchange| &exchange.query).filter(|(name, _)| name == "webId");
    let mut webids: Vec<String> = webids.map(|(_, webid)| webid.clone()).collect();
    webids.sort();
    Ok(webids)
}

fn webid(server: &RunningServer, point: &str) -> String {
    server.web_id(point, Spelling::IdOnly).unwrap()
}

/// The points whose path fulfils this.
fn points(server: &RunningServer, is: impl Fn(&str) -> bool) -> Vec<String> {
    let points = server.points().into_iter().filter(|path| is(path));
    let mut webids: Vec<String> = points.map(|path| webid(server, &path)).collect();
    webids.sort();
    assert!(!webids.is_empty());
    webids
}

#[tokio::test(flavor = "multi_thread")]
async fn points_by_name_path_webid_and_filter() {
    let server = two_servers();
    let all = server.points();
    let (first, last) = (&all[0], &all[all.len() - 2]);
    let name = |path: &str| path.rsplit('\\').next().unwrap().to_owned();
    let spelled = |path: &str, spelling| server.web_id(path, spelling).unwrap();

    let names = format!("{}, same", name(first).to_lowercase());
    let found = asked(&server, chosen([("tag_names", names.as_str())])).await.unwrap();
    assert_eq!(found, points(&server, |path| path == first || path.ends_with(r"\SAME")), "on every data server");

    let paths = format!(r"\\PISRV2\SAME,{last}");
    let found = asked(&server, chosen([("tag_paths", paths.as_str())])).await.unwrap();
    assert_eq!(found, points(&server, |path| path == r"\\PISRV2\SAME" || path == last));

    let spellings = [
        spelled(first, Spelling::Full),
        spelled(last, Spelling::PathOnly),
        spelled(r"\\PISRV1\SAME", Spelling::IdOnly),
    ];
    let found = asked(&server, chosen([("tag_webids", spellings.join(",").as_str())])).await.unwrap();
    assert_eq!(found, points(&server, |path| path == first || path == last || path == r"\\PISRV1\SAME"));

    let names = |is: fn(&str) -> bool| points(&server, move |path| is(path.rsplit('\\').next().unwrap()));
    for (filter, wanted) in [
        ("*", names(|_| true)),
        ("a01.u02.*", names(|name| name.starts_with("A01.U02."))),
        ("*.TI0000?.PV", names(|name| name.contains(".TI0000") && name.len() == "A01.U01.TI00000.PV".len())),
        ("S?ME", names(|name| name == "SAME")),
    ] {
        assert_eq!(asked(&server, chosen([("nameFilter", filter)])).await.unwrap(), wanted, "{filter}");
    }
    assert_eq!(asked(&server, chosen([])).await.unwrap(), names(|_| true), "all, when nothing is said");
    let second = server.server_web_id("PISRV2", Spelling::IdOnly).unwrap();
    let there = asked(&server, chosen([("nameFilter", "*E"), ("dataserver_webid", second.as_str())])).await.unwrap();
    assert_eq!(there, points(&server, |path| path == r"\\PISRV2\SAME"));
}

/// Attributes of elements that are listed and have values over time.
fn attributes(server: &RunningServer, is: impl Fn(&ExpectedObject, &ExpectedObject) -> bool) -> Vec<String> {
    let elements = server.assets().expected(AfKind::Element);
    let elements: BTreeMap<&str, &ExpectedObject> = elements.iter().map(|one| (one.web_id.as_str(), one)).collect();
    let wanted = |one: &&ExpectedObject| {
        let listed = one.fields["IsHidden"] == false && one.fields["IsExcluded"] == false;
        let element = one.owner.as_deref().and_then(|owner| elements.get(owner));
        listed && one.fields["DataReferencePlugIn"] != "" && element.is_some_and(|element| is(one, element))
    };
    let found = server.assets().expected(AfKind::Attribute);
    let mut webids: Vec<String> = found.iter().filter(wanted).map(|one| one.web_id.clone()).collect();
    webids.sort();
    assert!(!webids.is_empty());
    webids
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_by_webid_path_element_template_and_filter() {
    let server = plant_with(&[]);
    let boilers = attributes(&server, |_, element| element.fields["TemplateName"] == "Boiler");
    let by_template = [("templateName", "Boiler"), ("on_tag_error", "quarantine")];
    assert_eq!(asked(&server, chosen(by_template)).await.unwrap(), boilers);

    let pressures = attributes(&server, |one, _| one.name == "Pressure");
    let found = asked(&server, chosen([("attributeNameFilter", "Pres?ure"), ("on_tag_error", "quarantine")])).await;
    assert_eq!(found.unwrap(), pressures);
    assert!(pressures.len() > 3);

    let narrowed = attributes(&server, |one, element| {
        one.name == "Pressure" && element.fields["TemplateName"] == "Boiler" && element.name.ends_with(" 1")
    });
    let narrow = [
        ("templateName", "Boiler"),
        ("nameFilter", "* 1"),
        ("attributeNameFilter", "pressure"),
        ("on_tag_error", "quarantine"),
    ];
    assert_eq!(asked(&server, chosen(narrow)).await.unwrap(), narrowed);

    let (first, second) = (&pressures[0], &pressures[1]);
    let given = format!("{first},{second}");
    for option in ["attribute_webids", "tag_webids"] {
        let found = asked(&server, chosen([(option, given.as_str()), ("on_tag_error", "quarantine")])).await.unwrap();
        assert_eq!(found, [first.clone(), second.clone()], "{option}");
    }
    let all = server.assets().expected(AfKind::Attribute);
    let pressure = all.iter().find(|one| one.web_id == *first).unwrap();
    let by_path = [("tag_paths", pressure.path.as_str()), ("on_tag_error", "quarantine")];
    assert_eq!(asked(&server, chosen(by_path)).await.unwrap(), std::slice::from_ref(first));
    let element = pressure.owner.as_deref().unwrap();
    let of_element = [("element_webids", element), ("attributeNameFilter", "Pressure"), ("on_tag_error", "quarantine")];
    assert_eq!(asked(&server, chosen(of_element)).await.unwrap(), std::slice::from_ref(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_is_chosen_in_several_ways_is_read_once() {
    let server = plant_with(&[]);
    let point = &server.points()[0];
    let name = point.rsplit('\\').next().unwrap();
    let webids = [Spelling::IdOnly, Spelling::Full, Spelling::PathOnly].map(|as_| server.web_id(point, as_).unwrap());
    let ways = [
        ("tag_webids", webids.join(",")),
        ("tag_names", format!("{name},{name}")),
        ("tag_paths", point.clone()),
        ("nameFilter", format!("{}*", &name[..12])),
    ];
    let ways = || ways.iter().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(asked(&server, chosen(ways())).await.unwrap(), points(&server, |path| path == point));

    let table = TableRef::new("pi_timeseries").option("startTime", "*-6h").option("snapshot_policy", "include");
    let table = ways().fold(table, |table, (name, value)| table.option(name, value));
    let events: Vec<ReadEvent> = connect_to(&server).read_table(ReadRequest::new(table)).try_collect().await.unwrap();
    let rows = events.iter().filter_map(|event| match event {
        ReadEvent::Records(records) => Some(rows_of(records)),
        _ => None,
    });
    let read: Vec<String> = rows.flatten().map(|row| row["timestamp_raw"].as_str().unwrap().to_owned()).collect();
    let now = Ticks::from(server.clock().now());
    let held = server.events(point, Ticks(now.0 - 6 * 3_600 * 10_000_000), Ticks(now.0 + 1)).unwrap();
    let held: Vec<String> = held.iter().map(|event| event.time.to_string()).collect();
    assert!(held.len() > 100);
    assert_eq!(read, held);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_by_which_there_is_nothing_are_named() {
    let server = plant_with(&[]);
    let element = server.assets().expected(AfKind::Element).remove(0).web_id;
    for (options, named) in [
        (vec![("nameFilter", "NO.SUCH.*")], "nameFilter"),
        (vec![("templateName", "NoSuchTemplate")], "templateName"),
        (vec![("attributeNameFilter", "NoSuch?")], "attributeNameFilter"),
        (vec![("templateName", "Boiler"), ("nameFilter", "Pump*")], "templateName, nameFilter"),
        (
            vec![("element_webids", element.as_str()), ("attributeNameFilter", "X*")],
            "element_webids, attributeNameFilter",
        ),
    ] {
        for table in ["pi_timeseries", "pi_streamset_end", "pi_interpolated"] {
            let table = options.iter().fold(TableRef::new(table), |table, (name, value)| table.option(*name, *value));
            let error = asked(&server, table.clone()).await.unwrap_err();
            let told = (error.kind(), error.get("options"), error.get("table"));
            assert_eq!(told, (ErrorKind::NotFound, Some(named), Some(table.name.as_str())), "{error}");
            assert!(error.to_string().contains(options[0].1) && error.help_text().is_some(), "{error}");
            // Put aside, the table is read as far as there is anything.
            asked(&server, table.option("on_tag_error", "quarantine")).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_tags_than_the_server_lists_at_a_time() {
    let server = plant_with(&[("max-items", "300"), ("points", "1500"), ("density", "6h")]);
    let wanted = points(&server, |_| true);
    assert_eq!(wanted.len(), 1_500);
    assert_eq!(asked(&server, chosen([])).await.unwrap(), wanted);
    let lists = server.exchanges().iter().filter(|exchange| exchange.path.ends_with("/points")).count();
    assert!(lists > 3, "{lists} pages");
    let some = points(&server, |path| path.contains(r"\A02."));
    assert_eq!(some.len(), 500);
    assert_eq!(asked(&server, chosen([("nameFilter", "A02.*")])).await.unwrap(), some);
}
