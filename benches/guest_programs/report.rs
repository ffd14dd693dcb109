//! The figures as a table, as CSV and as JSON.

use std::fmt::Write;

use comfy_table::{CellAlignment, ColumnConstraint, Table, presets};

use crate::Fallible;
use crate::figures::Figures;

/// Ratios to native code, a row for each program, a column for each engine.
pub(crate) fn table(figures: &Figures) -> String {
    let mut table = new_table();
    // Of native code there would be ones alone: its time is told in their place.
    let engines = figures.engines.get(1..).unwrap_or_default();
    let native = figures.engines.first().map_or("", String::as_str);
    let mut header = vec![String::new(), format!("{native} [s]")];
    header.extend(engines.iter().cloned());
    table.set_header(header);
    for program in &figures.programs {
        let seconds = figures
            .get(program, native)
            .map(|f| format!("{:.2}", f.seconds));
        let mut row = vec![program.clone(), seconds.unwrap_or_default()];
        row.extend(engines.iter().map(|engine| {
            let figure = figures.get(program, engine);
            figure.map_or_else(String::new, |figure| digits(figure.ratio))
        }));
        table.add_row(row);
    }
    finished(table)
}

/// The geometric means.
pub(crate) fn means(figures: &Figures) -> String {
    let mut table = new_table();
    table.set_header(vec![
        "geometric mean",
        "all",
        "without vectors in the source",
        "programs",
        "spread",
    ]);
    for mean in &figures.means {
        table.add_row(vec![
            mean.engine.clone(),
            digits(mean.all),
            digits(mean.without_vectors),
            mean.programs.to_string(),
            format!("{:.0} %", mean.spread * 100.0),
        ]);
    }
    finished(table)
}

pub(crate) fn csv(figures: &Figures) -> String {
    let mut csv = "program,engine,seconds,ratio,lowest,highest,rounds\n".to_owned();
    for figure in &figures.figures {
        // Names are those of files and engines: nothing in them needs quotes.
        _ = writeln!(
            csv,
            "{},{},{:.6},{:.4},{:.4},{:.4},{}",
            figure.program,
            figure.engine,
            figure.seconds,
            figure.ratio,
            figure.lowest,
            figure.highest,
            figure.rounds
        );
    }
    csv
}

pub(crate) fn json(figures: &Figures) -> Fallible<String> {
    Ok(serde_json::to_string(figures)?)
}

/// Three digits.
pub(crate) fn digits(value: f64) -> String {
    match value {
        _ if !value.is_finite() => String::new(),
        _ if value < 9.995 => format!("{value:.2}"),
        _ if value < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn new_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table
}

fn finished(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        if column.index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.to_string()
}
