//! `cargo xtask conformance`: the suite on every backend, and the matrix of what passed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::run::{Outcome, cargo, root, say, succeed, write};
use crate::servers::{self, Servers};

const MATRIX: &str = "docs/capabilities.md";

pub(crate) fn run(backend: Option<&str>) -> Outcome {
    let backends = match backend {
        Some(name) => vec![format!("storage-{}", name.trim_start_matches("storage-"))],
        None => backends()?,
    };
    let scripts = servers::find()?.into_iter().filter(|script| backends.contains(&script.package));
    let mut servers = Servers::start(scripts)?;
    let environment = servers.ready()?;
    let report = root().join("target/conformance.jsonl");
    let _ = std::fs::remove_file(&report);
    for package in &backends {
        say(&format!("\n== {package}\n"));
        let mut test = cargo(&["test", "--quiet", "-p", package, "--test", "conformance*"]);
        succeed(test.envs(environment.iter().cloned()).env("HAUL_CONFORMANCE_REPORT", &report))?;
    }
    let text = std::fs::read_to_string(&report).map_err(|e| format!("{}: {e}", report.display()))?;
    let matrix = Matrix::read(&text)?;
    if backend.is_some() {
        say(&matrix.markdown());
        return Ok(());
    }
    write(MATRIX, &matrix.markdown())?;
    say(&format!("\nwrote {MATRIX}\n"));
    Ok(())
}

/// Every crate with a conformance test.
fn backends() -> Outcome<Vec<String>> {
    let crates = root().join("crates");
    let entries = std::fs::read_dir(&crates).map_err(|e| format!("{}: {e}", crates.display()))?;
    let tested = |path: &Path| path.join("tests/conformance.rs").exists();
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| tested(&entry.path()))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Per clause and subject what its cases gave.
#[derive(Debug, Default)]
struct Matrix {
    subjects: BTreeSet<String>,
    cells: BTreeMap<(Clause, String), Cell>,
}

/// A clause, ordered by area and number.
type Clause = (String, u32);

#[derive(Debug, Default)]
struct Cell {
    passed: u64,
    failed: u64,
    ignored: u64,
    reasons: BTreeSet<String>,
}

impl Matrix {
    fn read(report: &str) -> Outcome<Self> {
        let mut matrix = Self::default();
        for line in report.lines() {
            let case: Value = serde_json::from_str(line).map_err(|e| format!("the report: {e}: {line}"))?;
            let text = |name: &str| case[name].as_str().unwrap_or_default().to_owned();
            let id = text("clause");
            let (area, number) = id.split_once('-').unwrap_or((&id, "0"));
            let clause = (area.to_owned(), number.parse().unwrap_or(0));
            matrix.subjects.insert(text("subject"));
            let cell = matrix.cells.entry((clause, text("subject"))).or_default();
            match text("result").as_str() {
                "passed" => cell.passed += 1,
                "ignored" => {
                    cell.ignored += 1;
                    cell.reasons.insert(text("reason"));
                }
                _ => cell.failed += 1,
            }
        }
        Ok(matrix)
    }

    fn markdown(&self) -> String {
        let subjects: Vec<&String> = self.subjects.iter().collect();
        let mut text = String::from(
            "# What each backend proves\n\nWritten by `cargo xtask conformance` from what passed. A cell counts the cases that passed; \
             `(n ignored)` counts those that the backend's declared capabilities leave out, with the reasons below. \
             The clauses stand in [contract.md](contract.md).\n\n| clause |",
        );
        subjects.iter().for_each(|subject| text.push_str(&format!(" {subject} |")));
        text.push_str("\n|---|");
        subjects.iter().for_each(|_| text.push_str("---|"));
        let clauses: BTreeSet<&Clause> = self.cells.keys().map(|(clause, _)| clause).collect();
        for clause in clauses {
            text.push_str(&format!("\n| {}-{} |", clause.0, clause.1));
            for subject in &subjects {
                let cell = self.cells.get(&(clause.clone(), (*subject).clone()));
                text.push_str(&format!(" {} |", cell.map_or_else(|| "–".into(), Cell::shown)));
            }
        }
        text.push_str("\n\n## Why cases are ignored\n");
        for subject in &subjects {
            let of_subject = self.cells.iter().filter(|((_, s), _)| s == *subject);
            let reasons: BTreeSet<&String> = of_subject.flat_map(|(_, cell)| &cell.reasons).collect();
            text.push_str(&format!("\n**{subject}**: "));
            if reasons.is_empty() {
                text.push_str("none is.\n");
                continue;
            }
            let list: Vec<&str> = reasons.iter().map(|r| r.as_str()).collect();
            text.push_str(&format!("{}.\n", list.join("; ")));
        }
        text
    }
}

impl Cell {
    fn shown(&self) -> String {
        let mut text = self.passed.to_string();
        if self.failed > 0 {
            text.push_str(&format!(" (**{} failed**)", self.failed));
        }
        if self.ignored > 0 {
            text.push_str(&format!(" ({} ignored)", self.ignored));
        }
        text
    }
}
