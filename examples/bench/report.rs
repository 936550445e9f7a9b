//! One figure's table, and what of it is plotted.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

use crate::Fallible;
use crate::plot::{Plot, Series, number};

/// Rows of numbers under names; the first column is what the others depend on.
pub struct Report {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<f64>>,
    /// What each row is, where its first number does not say it.
    pub labels: Vec<String>,
    pub plot: Option<Axes>,
    pub notes: Vec<String>,
}

/// What is plotted: columns over the first one.
pub struct Axes {
    pub y: &'static str,
    pub logarithmic: bool,
    pub columns: Vec<usize>,
}

impl Report {
    pub fn new(columns: &[&str]) -> Self {
        Self {
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: Vec::new(),
            labels: Vec::new(),
            plot: None,
            notes: Vec::new(),
        }
    }

    /// Prints the table; writes `NAME.csv`, and `NAME.svg` where something is plotted.
    pub fn publish(&self, name: &str, title: &str, out: &Path) -> Fallible<()> {
        println!("{title}");
        println!("{}", self.table());
        for note in &self.notes {
            println!("{note}");
        }
        std::fs::write(out.join(format!("{name}.csv")), self.csv())?;
        if let Some(axes) = &self.plot {
            let series: Vec<Series> = axes.columns.iter().map(|&c| self.series(c)).collect();
            let plot = Plot {
                title,
                x: self.columns.first().map_or("", String::as_str),
                y: axes.y,
                logarithmic: axes.logarithmic,
                series: &series,
            };
            std::fs::write(out.join(format!("{name}.svg")), plot.svg())?;
        }
        Ok(())
    }

    fn series(&self, column: usize) -> Series {
        let points = self
            .rows
            .iter()
            .filter_map(|row| Some((*row.first()?, *row.get(column)?)));
        Series {
            name: self.columns.get(column).cloned().unwrap_or_default(),
            points: points.collect(),
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        let mut header = self.columns.clone();
        if !self.labels.is_empty() {
            header.insert(0, String::new());
        }
        table.set_header(header);
        for (at, row) in self.rows.iter().enumerate() {
            let numbers = row.iter().map(|value| number(*value));
            let label = self.labels.get(at).cloned();
            table.add_row(label.into_iter().chain(numbers));
        }
        for column in table
            .column_iter_mut()
            .skip(usize::from(!self.labels.is_empty()))
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn csv(&self) -> String {
        let quoted = |text: &String| format!("\"{}\"", text.replace('"', "\"\""));
        let mut lines = vec![
            self.columns
                .iter()
                .map(quoted)
                .collect::<Vec<_>>()
                .join(","),
        ];
        if !self.labels.is_empty() {
            lines[0].insert_str(0, "\"what\",");
        }
        for (at, row) in self.rows.iter().enumerate() {
            let label = self.labels.get(at).map(quoted);
            let numbers = row.iter().map(|value| format!("{value:.6}"));
            lines.push(
                label
                    .into_iter()
                    .chain(numbers)
                    .collect::<Vec<_>>()
                    .join(","),
            );
        }
        lines.join("\n") + "\n"
    }
}

/// The middle one of several measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
