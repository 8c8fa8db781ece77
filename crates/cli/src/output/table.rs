//! Aligned tables without borders.

use comfy_table::{Cell, CellAlignment, ContentArrangement, presets};
use console::style;

/// A column's heading and side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    heading: &'static str,
    alignment: CellAlignment,
}

impl Column {
    /// Text.
    pub(crate) const fn left(heading: &'static str) -> Self {
        Self { heading, alignment: CellAlignment::Left }
    }

    /// Numbers.
    pub(crate) const fn right(heading: &'static str) -> Self {
        Self { heading, alignment: CellAlignment::Right }
    }
}

/// Rows under headings, as wide as they need and at most as wide as the terminal.
pub(crate) struct Table {
    inner: comfy_table::Table,
    columns: Vec<CellAlignment>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self::with_headings(columns.iter().map(|c| (c.heading.to_owned(), c.alignment)))
    }

    /// An empty table whose text columns are named at run time.
    pub(crate) fn named(headings: impl IntoIterator<Item = String>) -> Self {
        Self::with_headings(headings.into_iter().map(|heading| (heading, CellAlignment::Left)))
    }

    fn with_headings(headings: impl IntoIterator<Item = (String, CellAlignment)>) -> Self {
        let (texts, columns): (Vec<_>, Vec<_>) = headings.into_iter().unzip();
        let mut inner = comfy_table::Table::new();
        inner.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        inner.set_header(texts.iter().zip(&columns).map(|(text, a)| Cell::new(text).set_alignment(*a)));
        Self { inner, columns }
    }

    /// Adds a row.
    pub(crate) fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.inner.add_row(
            cells.into_iter().zip(&self.columns).map(|(text, a)| Cell::new(text.to_string()).set_alignment(*a)),
        );
    }

    /// The text, indented by two, at most `width` columns wide.
    pub(crate) fn render(mut self, width: usize) -> String {
        self.inner.set_width(u16::try_from(width.saturating_sub(2)).unwrap_or(u16::MAX));
        for column in self.inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let text = self.inner.to_string();
        let lines = text.lines().enumerate().map(|(index, line)| {
            let line = line.trim_end();
            if index == 0 { format!("  {}", style(line).dim()) } else { format!("  {line}") }
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_lines_carry_no_spaces_at_the_end() {
        let mut table = Table::new(&[Column::left("table"), Column::right("rows")]);
        table.row(["Patient", "1,200"]);
        table.row(["Observation", "7"]);
        let text = console::strip_ansi_codes(&table.render(80)).into_owned();
        assert_eq!(text, "  table         rows\n  Patient      1,200\n  Observation      7");
    }

    #[test]
    fn long_text_wraps_inside_the_width() {
        let mut table = Table::new(&[Column::left("name"), Column::left("about")]);
        table.row(["page_size", &"word ".repeat(40)]);
        let text = console::strip_ansi_codes(&table.render(60)).into_owned();
        assert!(text.lines().count() > 3 && text.lines().all(|line| line.len() <= 60), "{text}");
    }
}
