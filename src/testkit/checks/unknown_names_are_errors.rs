//! Rule 7: unknown tables and options are refused by every method, with near matches.

use crate::{
    connector::TableRef,
    error::{Error, ErrorKind},
    options::Level,
    read::ReadRequest,
    testkit::{
        probe::{Flow, Probe, Until},
        report::{Stop, Verdict, failed},
        suite::Factory,
        witness::Witness,
    },
};

const STRANGER: &str = "testkit_unknown_option";
const OTHER_STRANGER: &str = "testkit_other_option";

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let connector = probe.open()?;
    let known = connector.list_tables().await;
    let known = known.map_err(|e| crate::testkit::probe::told(probe.witness, "the tables could not be listed", &e))?;
    let name = mistyped(&probe.table.name, &known);
    let table = TableRef { name: name.clone(), options: probe.table.options.clone() };
    for (method, error) in every_method(probe, &table).await? {
        let Some(error) = error else { continue };
        is(&error, ErrorKind::NotFound, method, "an unknown table")?;
        let text = error.to_string();
        if !text.contains(&name) || !text.contains(&probe.table.name) {
            return failed(format!(
                "{method} refuses table '{name}' without naming it and '{}': {text}",
                probe.table.name
            ));
        }
    }
    let table = probe.table.clone().option(STRANGER, "1").option(OTHER_STRANGER, "1");
    for (method, error) in every_method(probe, &table).await? {
        let Some(error) = error else { continue };
        is(&error, ErrorKind::Config, method, "two unknown table options")?;
        names_both(&error, method)?;
    }
    if let Some(documented) = documented_option(probe) {
        let table = probe.table.clone().option(mistyped(documented, &[]), "1");
        let error = connector.get_table_schema(&table).await.err();
        if !error.is_some_and(|e| e.to_string().contains(&format!("'{documented}'"))) {
            return failed(format!(
                "a mistyped table option is not answered with '{documented}', the closest there is"
            ));
        }
    }
    Ok(format!("table '{name}' and options that do not exist, in every method"))
}

/// The connection's own options.
pub(crate) fn of_the_connection(given: &Factory, witness: &Witness) -> Verdict {
    let Factory { descriptor, connect, options } = given;
    let strange = options.clone().with(STRANGER, "1").with(OTHER_STRANGER, "1");
    let Err(error) = connect(&strange) else {
        return failed("connect takes two options that do not exist");
    };
    witness.error(&error);
    is(&error, ErrorKind::Config, "connect", "two unknown connection options")?;
    names_both(&error, "connect")?;
    let required = descriptor.options.iter().filter(|d| d.level == Level::Connection && d.required);
    let required: Vec<&str> = required.map(|d| d.name).collect();
    let without = options.iter().filter(|(name, _)| !required.contains(name)).collect();
    match connect(&without) {
        Ok(_) if !required.is_empty() => failed(format!("connect works without {}", required.join(", "))),
        Err(error) if !required.iter().all(|name| error.to_string().contains(name)) => {
            witness.error(&error);
            failed(format!("without its required options connect does not name them all: {error}"))
        }
        _ => Ok(format!("two unknown options, {} required ones left out", required.len())),
    }
}

/// What each method answers; `None` where the trait's own answer, which asks nobody, was kept.
async fn every_method(probe: &Probe<'_>, table: &TableRef) -> Result<Vec<(&'static str, Option<Error>)>, Stop> {
    let connector = probe.open()?;
    let request = ReadRequest::new(table.clone());
    let mut answers = vec![
        ("get_table_schema", Some(connector.get_table_schema(table).await.err())),
        ("read_table_metadata", Some(connector.read_table_metadata(table).await.err())),
        ("read_table", Some(first_error(probe, Flow::Rows, &request).await?)),
    ];
    let deletes = first_error(probe, Flow::Deletes, &request).await?;
    let supported = deletes.as_ref().is_none_or(|e| e.kind() != ErrorKind::Unsupported);
    answers.push(("read_table_deletes", supported.then_some(deletes)));
    let latest = connector.latest_offset(table, None).await;
    answers.push(("latest_offset", (!matches!(latest, Ok(None))).then_some(latest.err())));
    let plan = connector.plan(request.clone()).await;
    let passed_on = plan.as_ref().is_ok_and(|p| matches!(p.as_slice(), [one] if one.table.name == table.name));
    answers.push(("plan", (!passed_on).then_some(plan.err())));
    let mut errors = Vec::new();
    for (method, answer) in answers {
        match answer {
            None => errors.push((method, None)),
            Some(None) => return failed(format!("{method} works with names that do not exist ({table:?})")),
            Some(Some(error)) => {
                probe.witness.error(&error);
                errors.push((method, Some(error)));
            }
        }
    }
    Ok(errors)
}

/// The error that a read ends with, when nothing came before it.
async fn first_error(probe: &Probe<'_>, flow: Flow, request: &ReadRequest) -> Result<Option<Error>, Stop> {
    let reading = Probe { flow, ..probe.clone() }.read(request.clone(), Until::End).await?;
    let nothing_else = reading.events <= 2 && reading.units.is_empty() && reading.rows().next().is_none();
    Ok(reading.error.filter(|_| nothing_else && reading.complaint.is_none()))
}

fn is(error: &Error, kind: ErrorKind, method: &str, what: &str) -> Result<(), Stop> {
    if error.kind() == kind {
        return Ok(());
    }
    failed(format!("{method} answers {what} with {} instead of {}: {error}", error.kind().as_str(), kind.as_str()))
}

fn names_both(error: &Error, method: &str) -> Result<(), Stop> {
    let text = error.to_string();
    if text.contains(STRANGER) && text.contains(OTHER_STRANGER) {
        return Ok(());
    }
    failed(format!("{method} does not name both of two unknown options: {text}"))
}

/// The name without one of its characters, so that none of the known names is meant.
fn mistyped(name: &str, known: &[String]) -> String {
    let mut short = name.to_owned();
    short.pop();
    let taken = |candidate: &str| candidate.is_empty() || known.iter().any(|k| k.eq_ignore_ascii_case(candidate));
    if taken(&short) { format!("{name}{}", name.chars().last().unwrap_or('x')) } else { short }
}

fn documented_option(probe: &Probe<'_>) -> Option<&'static str> {
    let docs = probe.suite.factory.as_ref()?.descriptor.options;
    docs.iter().filter(|d| d.level == Level::Table && d.name.len() > 5).map(|d| d.name).next()
}
