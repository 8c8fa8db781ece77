//! Rows of AF tables.

use std::borrow::Cow;
use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    super::{
        batch::SubRequest,
        items::Listing,
        ledger::Object,
        objects::{Named, parse_item, selected},
    },
    discovery::canonical,
    extended::text,
    out::Out,
};
use crate::error::Result;

/// Tables in one batch request: a table may be large.
const EACH: usize = 10;

/// The data of a table.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Data<'a> {
    #[serde(borrow, default)]
    columns: BTreeMap<Cow<'a, str>, &'a RawValue>,
    #[serde(borrow, default)]
    rows: Vec<&'a RawValue>,
}

pub(super) async fn rows(out: &mut Out) -> Result<()> {
    let lists = out.reading.options.lists.clone();
    let tables = tables(out).await?;
    let client = out.reading.client().clone();
    let query = Vec::new();
    let chunks: Vec<Vec<Named>> = tables.chunks(EACH).map(<[Named]>::to_vec).collect();
    let answered = |chunk: Vec<Named>| {
        let (client, query) = (client.clone(), &query);
        async move {
            let target = |table: &Named| client.target(&format!("tables/{}/data", table.web_id), query);
            let requests: Vec<SubRequest> = chunk.iter().map(|table| SubRequest::get(target(table))).collect();
            Ok::<_, crate::Error>((client.batch(&requests).await?, requests, chunk))
        }
    };
    let mut answers = Box::pin(stream::iter(chunks).map(answered).buffered(2));
    while let Some((answers, requests, chunk)) = answers.try_next().await? {
        for ((answer, request), table) in answers.into_iter().zip(&requests).zip(&chunk) {
            let body = match answer.into_result(request.resource()) {
                Ok(body) => body,
                Err(error) => {
                    out.failed(Object::of(table), error)?;
                    continue;
                }
            };
            let data: Data<'_> = parse_item(&body)?;
            add(out, table, &data, lists.start_index)?;
            out.send_ready().await?;
        }
    }
    Ok(())
}

fn add(out: &mut Out, table: &Named, data: &Data<'_>, start: u64) -> Result<()> {
    let webid = canonical(&table.web_id);
    let types = text_pairs(&data.columns)?;
    let most = out.reading.options.max_count.map_or(usize::MAX, |most| most as usize);
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    for (index, row) in data.rows.iter().enumerate().skip(start).take(most) {
        let cells: BTreeMap<Cow<'_, str>, &RawValue> = parse_item(row.get().as_bytes())?;
        let cells = text_pairs(&cells)?;
        out.row(b"{}", |filler| {
            filler.text("table_webid", Some(&webid));
            filler.long("row_index", i64::try_from(index).ok());
            filler.map("columns", Some(cells));
            filler.map("column_types", Some(types.iter().map(|(k, v)| (k, v.as_ref()))));
            filler.text("row_json", Some(row.get()));
            Ok(())
        })?;
    }
    Ok(())
}

fn text_pairs(members: &BTreeMap<Cow<'_, str>, &RawValue>) -> Result<Vec<(String, Option<String>)>> {
    members.iter().map(|(name, value)| Ok((name.to_string(), text(value)?))).collect()
}

/// The tables that the options name, or all.
async fn tables(out: &mut Out) -> Result<Vec<Named>> {
    let lists = out.reading.options.lists.clone();
    if !lists.table_webid.is_empty() {
        let webids = out.reading.canonical("tables", "table_webid", &lists.table_webid).await?;
        return Ok(webids.into_iter().map(|web_id| Named { web_id, name: None, path: None }).collect());
    }
    let mut tables = Vec::new();
    for database in out.reading.databases().await? {
        let path = format!("assetdatabases/{}/tables", database.web_id);
        let listing = Listing::whole(path, selected("WebId Name Path"));
        match out.reading.client().all_items(listing).await {
            Ok(items) => {
                for item in items {
                    tables.push(Named::of(&item)?);
                }
            }
            Err(error) => out.failed(Object::of(&database), error)?,
        }
    }
    if let Some(most) = lists.default_tables {
        tables.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    }
    Ok(tables)
}
