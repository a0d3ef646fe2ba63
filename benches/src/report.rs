//! Figures as Markdown, with the conditions they were measured under.

use crate::measure::Spread;
use crate::race::{Figures, Row, Table};
use crate::tools::Role;

/// What a report is about.
pub(crate) struct Report {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What a reader has to know to read the figures.
    pub(crate) note: String,
    pub(crate) machine: String,
    pub(crate) versions: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) tables: Vec<Table>,
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "# {}\n\nWritten by `cargo xtask bench {}`. Machine: {}. Each round ran every tool once, in turn; {} rounds after one to \
             warm up. Times are medians, with the least and the most in parentheses; CPU is user and system time of the tool's \
             processes, the peak that of its largest one. Requests were counted in the first round, which went through a counting \
             proxy and is not timed.\n\n{}\n\n![chart]({}.svg)\n",
            self.title, self.name, self.machine, self.rounds, self.note, self.name
        );
        self.tables.iter().for_each(|table| text.push_str(&section(table)));
        text.push_str("\n## Commands\n");
        for table in &self.tables {
            text.push_str(&format!("\n{}:\n\n", table.title));
            let ran = table.rows.iter().filter(|row| !row.command.is_empty());
            ran.for_each(|row| text.push_str(&format!("    {}\n", row.command)));
        }
        text.push_str("\n## Versions\n\n");
        self.versions.iter().for_each(|version| text.push_str(&format!("- {version}\n")));
        text
    }
}

fn section(table: &Table) -> String {
    let unit = table.unit.name;
    let mut text = format!(
        "\n## {}\n\n| tool | wall, {unit} | to the best peer | to the raw limit | CPU, {unit} | to the best peer | peak, MiB | requests |\n\
         |---|--:|--:|--:|--:|--:|--:|---|\n",
        table.title
    );
    let bests = Bests {
        peer: best(table, Role::Peer, |figures| figures.wall),
        raw: best(table, Role::Raw, |figures| figures.wall),
        cpu: best(table, Role::Peer, |figures| figures.cpu),
    };
    for row in &table.rows {
        let line = match &row.figures {
            Ok(figures) => cells(figures, &bests),
            Err(why) => format!("failed: {} | | | | | |", why.replace('|', "/")),
        };
        text.push_str(&format!("| {} | {line} |\n", row.name));
    }
    text
}

/// What the others needed at least.
struct Bests {
    peer: Option<f64>,
    raw: Option<f64>,
    cpu: Option<f64>,
}

fn cells(figures: &Figures, bests: &Bests) -> String {
    // What is less than the clock tells is no measure.
    let told = |to: &f64| *to >= 0.05;
    let ratio = |of: Spread, to: Option<f64>| {
        to.filter(told).map_or("-".into(), |to| format!("{:.2}", of.median / to))
    };
    let requests = figures.requests.as_deref().unwrap_or("-");
    format!(
        "{} | {} | {} | {} | {} | {:.0} | {}",
        spread(figures.wall),
        ratio(figures.wall, bests.peer),
        ratio(figures.wall, bests.raw),
        spread(figures.cpu),
        ratio(figures.cpu, bests.cpu),
        figures.peak.median,
        if requests.is_empty() { "-" } else { requests }
    )
}

/// The least of a figure among those with a role.
pub(crate) fn best(table: &Table, role: Role, figure: fn(&Figures) -> Spread) -> Option<f64> {
    let rows = table.rows.iter().filter(|row| row.role == role);
    rows.filter_map(|row| row.figures.as_ref().ok()).map(|f| figure(f).median).min_by(f64::total_cmp)
}

pub(crate) fn wall(row: &Row) -> Option<Spread> {
    row.figures.as_ref().ok().map(|figures| figures.wall)
}

fn spread(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.min, spread.max)
}

#[cfg(test)]
mod tests {
    use super::section;
    use crate::measure::Spread;
    use crate::race::{Figures, Row, Table, Unit};
    use crate::tools::Role;

    fn row(name: &'static str, role: Role, wall: Result<f64, &str>) -> Row {
        let spread = |x| Spread { median: x, min: x, max: x };
        let figures = |x| Figures { wall: spread(x), cpu: spread(x), peak: spread(1.0), requests: None };
        Row { name, role, command: String::new(), figures: wall.map(figures).map_err(Into::into) }
    }

    #[test]
    fn ratios_and_reasons() {
        let rows = vec![
            row("haul", Role::Ours, Ok(3.0)),
            row("a", Role::Peer, Ok(2.0)),
            row("b", Role::Peer, Err("no luck")),
            row("c", Role::Raw, Ok(1.0)),
        ];
        let text = section(&Table { title: "T".into(), unit: Unit::SECONDS, rows });
        assert!(text.contains("| haul | 3.00 (3.00–3.00) | 1.50 | 3.00 |"), "{text}");
        assert!(text.contains("| b | failed: no luck |"), "{text}");
    }
}
