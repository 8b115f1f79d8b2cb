//! Tables as kubectl prints them: columns apart by three spaces, headings in capitals.

/// Lays `rows` out below `headings`; every row has as many cells.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([headings[column].chars().count()])
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("   ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut headings.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["abandoned-cart".to_owned(), "3".to_owned()],
            vec!["x".to_owned(), "12000".to_owned()],
        ];
        assert_eq!(
            super::table(&["NAME", "ACTIVE"], &rows),
            "NAME             ACTIVE\nabandoned-cart   3\nx                12000"
        );
    }
}
