//! Lists for people.

use comfy_table::{ContentArrangement, Table, presets};

use super::status::printable;

/// Rows under a head, in columns. The texts may be anybody's.
pub(super) fn table<const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(head.map(str::to_owned));
    for row in rows {
        table.add_row(row.map(|text| printable(&text)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines();
    lines
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        let rows = [["a", "longer than"], ["wide é", "b\u{1b}["]];
        let text = table(["NAME", "X"], rows.map(|row| row.map(str::to_owned)));
        assert_eq!(text, "NAME    X\na       longer than\nwide é  b\u{fffd}[\n");
        assert_eq!(table(["NAME"], []), "NAME\n");
    }
}
