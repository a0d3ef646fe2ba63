//! The machine-readable report.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// What became of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome<'a> {
    Passed,
    Failed(&'a str),
    Ignored(&'a str),
}

/// One case of a report.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) subject: String,
    pub(crate) case: String,
    pub(crate) clause: &'static str,
    pub(crate) mode: &'static str,
}

impl Row {
    fn line(&self, outcome: Outcome<'_>) -> String {
        let (result, reason) = match outcome {
            Outcome::Passed => ("passed", None),
            Outcome::Failed(reason) => ("failed", Some(reason)),
            Outcome::Ignored(reason) => ("ignored", Some(reason)),
        };
        let text = |text: &str| serde_json::Value::from(text).to_string();
        format!(
            "{{\"subject\":{},\"case\":{},\"clause\":{},\"mode\":{},\"result\":{},\"reason\":{}}}\n",
            text(&self.subject),
            text(&self.case),
            text(self.clause),
            text(self.mode),
            text(result),
            reason.map_or_else(|| "null".to_owned(), text),
        )
    }

    /// Appends the row to the report, if one is asked for. One write call per line: processes may share the file.
    pub(crate) fn append(&self, outcome: Outcome<'_>) -> io::Result<()> {
        match std::env::var_os("HAUL_CONFORMANCE_REPORT") {
            Some(path) => append_to(Path::new(&path), &self.line(outcome)),
            None => Ok(()),
        }
    }
}

fn append_to(path: &Path, line: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Row};

    #[test]
    fn a_line_is_json_whatever_the_reason_holds() {
        let row = Row { subject: "a\"b".into(), case: "plain/x".into(), clause: "KEY-1", mode: "plain" };
        let line = row.line(Outcome::Failed("first\nsecond \"\\\u{1}"));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["subject"], "a\"b");
        assert_eq!(value["reason"], "first\nsecond \"\\\u{1}");
        assert_eq!(line.matches('\n').count(), 1);
        let passed: serde_json::Value = serde_json::from_str(&row.line(Outcome::Passed)).unwrap();
        assert!(passed["reason"].is_null());
    }
}
