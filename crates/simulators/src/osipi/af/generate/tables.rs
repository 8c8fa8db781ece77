//! AF tables with their rows.

use serde_json::{Value, json};

use super::{catalogue, guid};
use crate::osipi::af::{
    object::{Body, Ix, Kind, Table},
    store::Store,
};

pub(super) fn all(store: &mut Store, database: Ix, random: &mut fastrand::Rng) {
    let ratings = (0..37)
        .map(|row| {
            let power = (row % 5 != 0).then(|| json!(f64::from(row) * 12.5));
            let service = (row % 3 != 0).then(|| json!(format!("2025-0{}-15T00:00:00Z", 1 + row % 9)));
            vec![Some(json!(format!("B{row}"))), power, Some(json!(row)), Some(json!(row % 2 == 0)), service]
        })
        .collect();
    let columns =
        [("Model", "String"), ("Power", "Double"), ("Rank", "Int32"), ("Active", "Boolean"), ("Serviced", "DateTime")];
    add(store, database, "Ratings", &columns, ratings, random);
    let odd = vec![
        vec![Some(json!("Ünïcode, \"quotes\"\nand a line")), Some(json!(9_007_199_254_740_993_i64))],
        vec![Some(json!("")), Some(Value::Null)],
        vec![None, Some(json!(-1))],
    ];
    add(store, database, "Odd Values & Names", &[("Text Column", "String"), ("größe", "Int64")], odd, random);
    add(store, database, "Empty", &[("Only Column", "Guid")], Vec::new(), random);
}

fn add(
    store: &mut Store,
    database: Ix,
    name: &str,
    columns: &[(&str, &'static str)],
    rows: Vec<Vec<Option<Value>>>,
    random: &mut fastrand::Rng,
) {
    let columns = columns.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
    let body = Table { time_zone: "", convert_to_local_time: name == "Ratings", columns, rows };
    let table = store.add(Some(database), Kind::Table, guid(random), name, Body::Table(body));
    let category = catalogue::category(store, database, Kind::TableCategory, "Reference");
    store.object_mut(table).categories.extend(category.filter(|_| name == "Ratings"));
    store.object_mut(table).description = format!("{name} of the plant");
}
