//! The resources of a server: a few bytes each, texts are made on request from templates.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use super::{
    config::{Config, Stamps, Volume},
    examples::{Example, examples},
    instant::{Nanos, StampStyle},
    template::{Filling, KnownIds, Template, write_copy},
    volume::{Spread, mix_for},
    writes::WriteQueue,
};
use crate::clock::SimClock;

/// What a version did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The resource was created, or re-created after a delete.
    Create,
    /// The resource got new content or a new stamp.
    Update,
    /// The resource was deleted.
    Delete,
}

/// One version of one resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version {
    pub(crate) template: u32,
    pub(crate) copy: u32,
    pub(crate) stamp: Nanos,
    pub(crate) number: u32,
    pub(crate) change: Change,
}

impl Version {
    pub(crate) fn is_deleted(&self) -> bool {
        self.change == Change::Delete
    }
}

/// Names a version: by stamp, then row, then number, which is also the order of `_history` backwards.
pub(crate) type Key = (Nanos, u32, u32);

/// All resources of one type.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// The templates that the initial rows use in turn.
    pub(crate) mix: Vec<u32>,
    pub(crate) rows: Vec<Version>,
    /// Every version of every row.
    pub(crate) index: BTreeSet<Key>,
    initial: u32,
    pub(super) later_ids: Vec<Box<str>>,
    pub(super) later_rows: HashMap<Box<str>, u32>,
    mix_positions: HashMap<Box<str>, u32>,
    pub(super) older: HashMap<u32, Vec<Version>>,
}

impl Table {
    /// The row of an id that exists or existed.
    pub(crate) fn row(&self, id: &str) -> Option<u32> {
        if let Some(row) = self.later_rows.get(id) {
            return Some(*row);
        }
        let (base, copy) = match id.rsplit_once("-c").and_then(|(base, copy)| Some((base, copy.parse::<u32>().ok()?))) {
            Some((base, copy)) if copy > 0 => (base, copy),
            _ => (id, 0),
        };
        let position = *self.mix_positions.get(base)?;
        let row = copy.checked_mul(u32::try_from(self.mix.len()).ok()?)?.checked_add(position)?;
        (row < self.initial).then_some(row)
    }

    /// Whether this is the version that a read sees now.
    pub(crate) fn is_current(&self, key: Key) -> bool {
        self.rows.get(key.1 as usize).is_some_and(|row| row.number == key.2)
    }

    /// A version of a row.
    pub(crate) fn version(&self, row: u32, number: u32) -> Option<&Version> {
        let current = self.rows.get(row as usize)?;
        if current.number == number {
            return Some(current);
        }
        self.older.get(&row)?.iter().find(|version| version.number == number)
    }

    /// The first example of the type as a resource, whether the server holds it or not; its row is 0.
    pub(crate) fn example(&self) -> Option<Version> {
        let stamp = self.rows.first().map_or(0, |row| row.stamp);
        Some(Version { template: *self.mix.first()?, copy: 0, stamp, number: 1, change: Change::Create })
    }

    /// The version that a read sees now; may be a deletion.
    pub(crate) fn current(&self, row: u32) -> Option<&Version> {
        self.rows.get(row as usize)
    }
}

type NamedTemplates = (&'static str, Vec<Arc<Template>>);

/// The examples of each type as templates, by type; a type's number is its place.
static EXAMPLES: LazyLock<Vec<NamedTemplates>> = LazyLock::new(|| {
    let mut by_type: BTreeMap<&str, Vec<Example>> = BTreeMap::new();
    for example in examples() {
        by_type.entry(example.resource_type).or_default().push(example);
    }
    let mut known = KnownIds::new();
    for (number, (name, all)) in (0u32..).zip(&by_type) {
        known.extend(all.iter().map(|example| ((*name, example.id), number)));
    }
    let templates = |all: Vec<Example>| {
        all.iter().filter_map(|example| Template::cut(example.text.into(), &known)).map(Arc::new).collect()
    };
    by_type.into_iter().map(|(name, all)| (name, templates(all))).collect()
});

/// All resources of a server.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) tables: Vec<Table>,
    pub(crate) clock: SimClock,
    pub(crate) style: StampStyle,
    numbers: HashMap<String, u32>,
    pub(super) templates: Vec<Arc<Template>>,
    copies: Vec<u32>,
    pub(super) missing_every: Option<u32>,
    pub(super) queue: WriteQueue,
}

impl Store {
    /// The initial state of a server.
    pub(crate) fn new(config: &Config) -> Self {
        let mut store = Self {
            tables: Vec::new(),
            clock: config.clock.clone(),
            style: config.stamps.style,
            numbers: HashMap::new(),
            templates: Vec::new(),
            copies: Vec::new(),
            missing_every: config.stamps.missing_every,
            queue: WriteQueue::new(config.late_commit),
        };
        for (name, templates) in EXAMPLES.iter() {
            let volume = config.volumes.iter().find(|volume| volume.resource_type == *name);
            let default = if config.volumes.is_empty() { u32::try_from(templates.len()).unwrap_or(0) } else { 0 };
            store.add_table(name, templates.clone(), volume, default, &config.stamps);
        }
        store
    }

    fn add_table(
        &mut self,
        name: &str,
        all: Vec<Arc<Template>>,
        volume: Option<&Volume>,
        default: u32,
        stamps: &Stamps,
    ) {
        let all = match volume.and_then(|volume| volume.average_bytes) {
            Some(bytes) => mix_for(all, bytes),
            None => all,
        };
        let count = volume.map_or(default, |volume| volume.count);
        let first = u32::try_from(self.templates.len()).unwrap_or(0);
        let width = u32::try_from(all.len()).unwrap_or(1).max(1);
        let mix: Vec<u32> = (first..first + width).collect();
        let mix_positions = all.iter().zip(0u32..).map(|(template, at)| (template.id.clone(), at)).collect();
        self.templates.extend(all);
        let order = Spread::new(stamps, count);
        let rows: Vec<Version> = (0..count)
            .map(|row| Version {
                template: mix[(row % width) as usize],
                copy: row / width,
                stamp: order.stamp(row),
                number: 1,
                change: Change::Create,
            })
            .collect();
        let mut keys: Vec<Key> = rows.iter().zip(0u32..).map(|(row, at)| (row.stamp, at, 1)).collect();
        keys.sort_unstable();
        self.numbers.insert(name.to_owned(), u32::try_from(self.tables.len()).unwrap_or(0));
        self.copies.push(if count == 0 { 0 } else { (count / width).max(1) });
        self.tables.push(Table {
            name: name.to_owned(),
            mix,
            rows,
            index: keys.into_iter().collect(),
            initial: count,
            later_ids: Vec::new(),
            later_rows: HashMap::new(),
            mix_positions,
            older: HashMap::new(),
        });
    }

    /// The number of a type that this server knows.
    pub(crate) fn number(&self, resource_type: &str) -> Option<u32> {
        self.numbers.get(resource_type).copied()
    }

    pub(crate) fn table(&self, number: u32) -> Option<&Table> {
        self.tables.get(number as usize)
    }

    pub(crate) fn template(&self, version: &Version) -> Option<&Arc<Template>> {
        self.templates.get(version.template as usize)
    }

    /// Appends a row's id.
    pub(crate) fn write_id(&self, table: &Table, row: u32, out: &mut Vec<u8>) {
        if row < table.initial {
            let width = u32::try_from(table.mix.len()).unwrap_or(1).max(1);
            if let Some(template) = self.templates.get(table.mix[(row % width) as usize] as usize) {
                out.extend_from_slice(template.id.as_bytes());
                write_copy(row / width, out);
            }
        } else if let Some(id) = table.later_ids.get((row - table.initial) as usize) {
            out.extend_from_slice(id.as_bytes());
        }
    }

    /// An id that the server gives to a new resource.
    pub(crate) fn fresh_id(&self, number: u32) -> Option<String> {
        let table = self.table(number)?;
        (table.rows.len()..).map(|at| format!("new-{at}")).find(|id| table.row(id).is_none())
    }

    /// A row's id.
    pub(crate) fn id(&self, table: &Table, row: u32) -> String {
        let mut out = Vec::with_capacity(32);
        self.write_id(table, row, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// The style of a row's stamps.
    pub(crate) fn style(&self, row: u32) -> StampStyle {
        self.style.of_row(row)
    }

    /// Appends the resource that a version is; nothing for a deleted one.
    pub(crate) fn render(&self, row: u32, id: &str, version: &Version, out: &mut Vec<u8>) {
        if version.is_deleted() {
            return;
        }
        if let Some(template) = self.template(version) {
            let style = self.style(row);
            template.render(
                Filling {
                    id,
                    version: version.number,
                    stamp: version.stamp,
                    style,
                    copy: version.copy,
                    copies: &self.copies,
                },
                out,
            );
        }
    }
}
