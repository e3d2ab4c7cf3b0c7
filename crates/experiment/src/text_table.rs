use std::fmt;

/// A table in plain text: the first column to the left, the others to the right, a rule under the heads.
pub(crate) struct TextTable {
    rows: Vec<Vec<String>>,
}

impl TextTable {
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()] }
    }

    /// Adds a row of as many entries as there are heads.
    pub(crate) fn row(&mut self, entries: Vec<String>) {
        self.rows.push(entries);
    }
}

impl fmt::Display for TextTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let entries = self.rows.iter().filter_map(|row| row.get(column));
            entries.map(|entry| entry.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (index, row) in self.rows.iter().enumerate() {
            let entries = row.iter().zip(&widths).enumerate();
            let line: Vec<String> = entries
                .map(|(column, (entry, &width))| match column {
                    0 => format!("{entry:<width$}"),
                    _ => format!("{entry:>width$}"),
                })
                .collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
            if index == 0 {
                let rule: Vec<String> = widths.iter().map(|&width| "─".repeat(width)).collect();
                writeln!(f, "{}", rule.join("──"))?;
            }
        }
        Ok(())
    }
}
