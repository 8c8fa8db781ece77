//! `lakeflow sources`: what there is to read from, and the options of one source.

use lakeflow_connect::{
    Registry, Result, SourceDescriptor,
    options::{Level, OptionDoc, OptionKind},
};
use serde_json::{Value, json};

use crate::{
    args::SourcesArgs,
    exit,
    output::{Column, Console, Table},
};

pub(super) fn run(args: &SourcesArgs, registry: &Registry, console: &Console) -> Result<u8> {
    match &args.name {
        Some(name) => one(registry.source(name)?.descriptor(), console),
        None => all(registry, console),
    }
    Ok(exit::OK)
}

fn all(registry: &Registry, console: &Console) {
    if console.is_json() {
        registry.sources().for_each(|d| console.print_json(&source_json(d)));
        return;
    }
    let mut table = Table::new(&[Column::left("source"), Column::left("also"), Column::left("about")]);
    for d in registry.sources() {
        table.row([d.name, &d.aliases.join(", "), d.about]);
    }
    console.print(&table.render(console.width()));
    console.print("\n  lakeflow sources NAME   shows the options of a source");
}

fn one(d: &SourceDescriptor, console: &Console) {
    if console.is_json() {
        console.print_json(&source_json(d));
        return;
    }
    console.heading(d.name);
    console.print(&format!("  {}", d.about));
    for (level, title) in [
        (Level::Connection, "Connection options (--option KEY=VALUE)"),
        (Level::Table, "Table options (--table-option KEY=VALUE)"),
    ] {
        let options: Vec<&OptionDoc> = d.options.iter().filter(|o| o.level == level).collect();
        if options.is_empty() {
            continue;
        }
        console.print("");
        console.heading(title);
        let mut table = Table::new(&[Column::left("option"), Column::left("default"), Column::left("about")]);
        for option in options {
            let default = if option.required { "required" } else { option.default.unwrap_or("") };
            let about = match option.kind {
                OptionKind::Text => option.about.to_owned(),
                kind => format!("{} ({})", option.about, kind.describe()),
            };
            table.row([option.name, default, &about]);
        }
        console.print(&table.render(console.width()));
    }
}

fn source_json(d: &SourceDescriptor) -> Value {
    let option = |o: &OptionDoc| {
        json!({
            "name": o.name,
            "aliases": o.aliases,
            "level": match o.level { Level::Connection => "connection", Level::Table => "table" },
            "value": o.kind.describe(),
            "secret": o.is_secret(),
            "required": o.required,
            "default": o.default,
            "about": o.about,
        })
    };
    json!({
        "source": d.name,
        "aliases": d.aliases,
        "about": d.about,
        "options": d.options.iter().map(option).collect::<Vec<_>>(),
    })
}
