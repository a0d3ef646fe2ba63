//! Tools in turn: A B A B.

use crate::bench::{Bench, Sample};
use crate::measure::{Run, Spread};
use crate::tell;
use crate::tools::{Role, Tool};

/// What one work gave.
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) unit: Unit,
    pub(crate) rows: Vec<Row>,
}

/// In what wall and CPU time are given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    /// What a second is multiplied with.
    pub(crate) factor: f64,
}

impl Unit {
    pub(crate) const SECONDS: Self = Self { name: "s", factor: 1.0 };

    /// Milliseconds for each of so many repetitions.
    pub(crate) fn each(count: u64) -> Self {
        Self { name: "ms each", factor: 1000.0 / count.max(1) as f64 }
    }
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    pub(crate) command: String,
    /// Or why there are none.
    pub(crate) figures: Result<Figures, String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) wall: Spread,
    pub(crate) cpu: Spread,
    pub(crate) peak: Spread,
    pub(crate) requests: Option<String>,
}

/// Where in a race a run stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heat {
    pub(crate) tool: Tool,
    /// Round 0 warms up and counts requests; its time does not count.
    pub(crate) round: usize,
    /// Of the tool in the race.
    pub(crate) at: usize,
}

/// Runs every tool once a round. One that fails is out, and its row says why.
pub(crate) fn race(
    bench: &Bench,
    title: &str,
    unit: Unit,
    tools: &[Tool],
    mut run: impl FnMut(Heat) -> Result<Sample, String>,
) -> Result<Table, String> {
    let mut entrants: Vec<Entrant> = tools.iter().map(|tool| Entrant::new(*tool)).collect();
    for round in 0..=bench.options.rounds {
        bench.scratch.borrow_mut().tidy()?;
        for (at, entrant) in entrants.iter_mut().enumerate().filter(|(_, e)| e.failed.is_none()) {
            crate::disk::sync();
            let result = run(Heat { tool: entrant.tool, round, at });
            let shown = match &result {
                Ok(sample) => format!("{:.2} s", sample.run.wall),
                Err(why) => why.clone(),
            };
            tell(&format!("{title}, round {round}, {}: {shown}", entrant.tool.name()));
            entrant.take(result);
        }
    }
    let rows = entrants.into_iter().map(|entrant| entrant.row(unit)).collect();
    Ok(Table { title: title.into(), unit, rows })
}

struct Entrant {
    tool: Tool,
    runs: Vec<Run>,
    command: String,
    requests: Option<String>,
    failed: Option<String>,
}

impl Entrant {
    fn new(tool: Tool) -> Self {
        Self { tool, runs: Vec::new(), command: String::new(), requests: None, failed: None }
    }

    fn take(&mut self, result: Result<Sample, String>) {
        match result {
            Ok(sample) => {
                // The counted run warms up, and goes through the counter.
                match sample.requests {
                    Some(requests) => self.requests = Some(requests),
                    None => self.command = sample.command,
                }
                self.runs.push(sample.run);
            }
            Err(why) => self.failed = Some(why),
        }
    }

    fn row(self, unit: Unit) -> Row {
        let spread = |figure: fn(&Run) -> f64| Spread::of(self.runs.iter().skip(1).map(figure).collect());
        let figures = Figures {
            wall: spread(|r| r.wall).times(unit.factor),
            cpu: spread(|r| r.cpu).times(unit.factor),
            peak: spread(|r| r.peak_mib),
            requests: self.requests,
        };
        Row {
            name: self.tool.name(),
            role: self.tool.role(),
            command: self.command,
            figures: self.failed.map_or(Ok(figures), Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entrant, Unit};
    use crate::bench::Sample;
    use crate::measure::Run;
    use crate::tools::Tool;

    fn sample(wall: f64) -> Sample {
        let run = Run { wall, cpu: wall, peak_mib: 1.0 };
        Sample { run, command: "x".into(), requests: None }
    }

    #[test]
    fn the_first_round_does_not_count() {
        let mut entrant = Entrant::new(Tool::Cp);
        [9.0, 1.0, 3.0].map(sample).into_iter().for_each(|sample| entrant.take(Ok(sample)));
        let wall = entrant.row(Unit::each(2)).figures.unwrap().wall;
        assert_eq!((wall.median, wall.min, wall.max), (1000.0, 500.0, 1500.0));
    }

    #[test]
    fn who_fails_once_has_no_figures() {
        let mut entrant = Entrant::new(Tool::Cp);
        entrant.take(Ok(sample(1.0)));
        entrant.take(Err("no luck".into()));
        assert_eq!(entrant.row(Unit::SECONDS).figures.unwrap_err(), "no luck");
    }
}
