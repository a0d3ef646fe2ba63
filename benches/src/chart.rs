//! Wall times as bars, as multiples of the best peer's.

use crate::race::{Row, Table};
use crate::report::{best, wall};
use crate::tools::Role;

const WIDTH: f64 = 760.0;
const LABEL: f64 = 140.0;
const BAR: f64 = 16.0;
/// Longer ones are cut; the figure beside them says how long they are.
const MOST: f64 = 6.0;

/// Mid-grey text and muted bars are read on white and on black.
const STYLE: &str = "text{fill:#808080} .title{font-weight:bold} .label{text-anchor:end} .ours{fill:#2a9d72} .peer{fill:#9aa7b0} \
                     .raw{fill:#c9a227} .spread{stroke:#707070;stroke-width:1.5} .one{stroke:#808080;stroke-dasharray:2 3}";

pub(crate) fn svg(tables: &[Table]) -> String {
    let (mut body, mut y) = (String::new(), 24.0);
    for table in tables {
        let Some(unit) = best(table, Role::Peer, |f| f.wall).or_else(|| best(table, Role::Ours, |f| f.wall))
        else {
            continue;
        };
        body.push_str(&format!(
            "<text x=\"10\" y=\"{y:.0}\" class=\"title\">{}: wall time, best peer = 1</text>\n",
            escape(&table.title)
        ));
        y += 10.0;
        let longest = table.rows.iter().filter_map(wall).map(|wall| wall.max / unit).fold(1.0, f64::max);
        let scale = (WIDTH - LABEL - 150.0) / longest.min(MOST);
        let height = (BAR + 6.0) * table.rows.len() as f64;
        let one = LABEL + scale;
        for row in &table.rows {
            body.push_str(&bar(row, table.unit.name, unit, scale, y));
            y += BAR + 6.0;
        }
        body.push_str(&format!(
            "<line x1=\"{one:.1}\" y1=\"{:.0}\" x2=\"{one:.1}\" y2=\"{y:.0}\" class=\"one\"/>\n",
            y - height
        ));
        y += 30.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<style>{STYLE}</style>\n{body}</svg>\n"
    )
}

fn bar(row: &Row, name: &str, unit: f64, scale: f64, y: f64) -> String {
    let (text, label) = (y + BAR - 4.0, LABEL - 8.0);
    let mut line =
        format!("<text x=\"{label:.0}\" y=\"{text:.0}\" class=\"label\">{}</text>\n", escape(row.name));
    let Some(wall) = wall(row) else {
        let why = row.figures.as_ref().err().map_or("", String::as_str);
        let why: String = why.chars().take(80).collect();
        return line + &format!("<text x=\"{LABEL}\" y=\"{text:.0}\">{}</text>\n", escape(&why));
    };
    let length = |time: f64| (time / unit).min(MOST) * scale;
    let class = match row.role {
        Role::Ours => "ours",
        Role::Peer => "peer",
        Role::Raw => "raw",
    };
    let (low, high, middle) = (LABEL + length(wall.min), LABEL + length(wall.max), y + BAR / 2.0);
    line.push_str(&format!(
        "<rect x=\"{LABEL}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"{BAR}\" class=\"{class}\"/>\n\
         <line x1=\"{low:.1}\" y1=\"{middle:.0}\" x2=\"{high:.1}\" y2=\"{middle:.0}\" class=\"spread\"/>\n\
         <text x=\"{:.1}\" y=\"{text:.0}\">{:.2} ({:.2} {name})</text>\n",
        length(wall.median),
        high + 6.0,
        wall.median / unit,
        wall.median,
    ));
    line
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
