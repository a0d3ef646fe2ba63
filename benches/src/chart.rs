//! Figures as bars.

use crate::report::Table;

const WIDTH: f64 = 760.0;
const LABEL: f64 = 270.0;
const BAR: f64 = 22.0;

pub(crate) fn svg(tables: &[Table]) -> String {
    let mut body = String::new();
    let mut y = 30.0;
    for table in tables {
        body.push_str(&format!(
            "<text x=\"10\" y=\"{y}\" class=\"title\">{} (wall seconds)</text>\n",
            table.title
        ));
        y += 14.0;
        let most = table.rows.iter().map(|row| row.wall.max).fold(0.01, f64::max);
        for row in &table.rows {
            let scale = (WIDTH - LABEL - 90.0) / most;
            let (length, low, high) =
                (row.wall.median * scale, LABEL + row.wall.min * scale, LABEL + row.wall.max * scale);
            let class = if row.name.starts_with("haul") { "ours" } else { "peer" };
            let middle = y + BAR / 2.0;
            body.push_str(&format!(
                "<text x=\"{:.0}\" y=\"{:.0}\" class=\"label\">{}</text>\n\
                 <rect x=\"{LABEL}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"{BAR}\" class=\"{class}\"/>\n\
                 <line x1=\"{low:.1}\" y1=\"{middle:.0}\" x2=\"{high:.1}\" y2=\"{middle:.0}\" class=\"spread\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.0}\">{:.2}</text>\n",
                LABEL - 10.0,
                y + 16.0,
                row.name,
                high + 8.0,
                y + 16.0,
                row.wall.median
            ));
            y += BAR + 8.0;
        }
        y += 30.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>rect.ours{{fill:#2a7f62}} rect.peer{{fill:#b8c4bb}} .title{{font-weight:bold}} .label{{text-anchor:end}} \
         .spread{{stroke:#333;stroke-width:1.5}}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}
