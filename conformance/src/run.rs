//! From a subject to a test run.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use storage_core::{Capabilities, Store};
use tokio::runtime::{Builder, Runtime};

use crate::case::{Case, CaseInfo};
use crate::context::Context;
use crate::failure::Failure;
use crate::mode::{MODES, Mode};
use crate::report::{Outcome, Row};
use crate::strangers::Strangers;
use crate::subject::{Fixture, Subject};
use crate::wire::Line;

/// How long a case may take. Only to turn a hang into a failure: no case measures time against it.
const CASE_LIMIT: Duration = Duration::from_secs(120);
/// How long the tasks of a finished case may take to end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Runs the suite on `subject` by the arguments of the command line, which are those of `cargo test`.
///
/// ```no_run
/// use storage_conformance::{Fixture, Subject};
/// use storage_memory::Memory;
///
/// fn main() -> std::process::ExitCode {
///     storage_conformance::run(Subject::new("memory", || async { Ok(Fixture::new(Memory::new())) }))
/// }
/// ```
pub fn run(subject: Subject) -> ExitCode {
    conduct(&subject, &Arguments::from_args())
}

fn conduct(subject: &Subject, arguments: &Arguments) -> ExitCode {
    let capabilities = match probe(subject) {
        Ok(capabilities) => capabilities,
        Err(failure) => {
            say(&format!("{} could not be opened: {failure}", subject.name));
            return ExitCode::FAILURE;
        }
    };
    let planned = plan(subject, &capabilities);
    if !arguments.list && !arguments.exact && !arguments.ignored && !arguments.include_ignored {
        planned.iter().filter(|p| selected(arguments, &p.row.case)).for_each(Planned::tell_ignored);
    }
    libtest_mimic::run(arguments, planned.into_iter().map(Planned::into_trial).collect()).exit_code()
}

/// Every case of every mode and those of codecs and formats, for tools that hold the contract against the suite.
///
/// ```
/// assert!(storage_conformance::cases().iter().any(|case| case.clause == "KEY-1"));
/// ```
pub fn cases() -> Vec<CaseInfo> {
    let of_mode = |mode: &Mode| -> Vec<CaseInfo> {
        (mode.cases)().into_iter().map(|case| CaseInfo::new(mode.name, case)).collect()
    };
    MODES.iter().flat_map(of_mode).chain(crate::codec::infos()).chain(crate::format::infos()).collect()
}

/// The capabilities of a fresh backend, for deciding what to ignore.
fn probe(subject: &Subject) -> Result<Capabilities, Failure> {
    if subject.why_missing().is_some() {
        return Ok(Capabilities::none());
    }
    let runtime = runtime(false)?;
    let fixture = runtime.block_on(subject.open())?;
    let capabilities = fixture.backend().capabilities();
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    Ok(capabilities)
}

fn plan(subject: &Subject, capabilities: &Capabilities) -> Vec<Planned> {
    let subject = Arc::new(subject.clone());
    let mut planned = Vec::new();
    let entered = |mode: &&Mode| subject.enters(mode.name) && (!mode.wire || subject.wire.is_some());
    for mode in MODES.iter().filter(entered) {
        for case in (mode.cases)().into_iter().filter(|case| subject.runs(case)) {
            planned.push(Planned::new(&subject, mode, case, capabilities));
        }
    }
    planned
}

/// A case on its way to a run.
struct Planned {
    subject: Arc<Subject>,
    mode: &'static Mode,
    case: &'static Case,
    row: Row,
    /// Why the backend cannot run it.
    impossible: Option<String>,
    /// Why the backend's author does not want it run.
    unwanted: Option<String>,
}

impl Planned {
    fn new(
        subject: &Arc<Subject>,
        mode: &'static Mode,
        case: &'static Case,
        capabilities: &Capabilities,
    ) -> Self {
        let info = CaseInfo::new(mode.name, case);
        Self {
            row: Row { subject: subject.name.clone(), case: info.name, clause: info.clause, mode: mode.name },
            impossible: subject.why_missing().map(str::to_owned).or_else(|| (case.needs)(capabilities)),
            unwanted: subject.ignores(mode.name, case).map(str::to_owned),
            subject: subject.clone(),
            mode,
            case,
        }
    }

    fn ignored(&self) -> Option<&str> {
        self.impossible.as_deref().or(self.unwanted.as_deref())
    }

    fn tell_ignored(&self) {
        let Some(reason) = self.ignored() else { return };
        say(&format!("ignoring {}: {reason}", self.row.case));
        record(&self.row, Outcome::Ignored(reason));
    }

    fn into_trial(self) -> Trial {
        let (name, ignored) = (self.row.case.clone(), self.ignored().is_some());
        Trial::ignorable_test(name, move || self.perform()).with_ignored_flag(ignored)
    }

    fn perform(self) -> Result<Completion, Failed> {
        if let Some(reason) = &self.impossible {
            record(&self.row, Outcome::Ignored(reason));
            return Ok(Completion::ignored_with(reason));
        }
        let (subject, mode, case) = (self.subject, self.mode, self.case);
        match limited(&case.path(), move || perform(&subject, mode, case)) {
            Ok(()) => {
                record(&self.row, Outcome::Passed);
                Ok(Completion::Completed)
            }
            Err(failure) if failure.is_ignored() => {
                let reason = failure.to_string();
                record(&self.row, Outcome::Ignored(&reason));
                Ok(Completion::ignored_with(reason))
            }
            Err(failure) => {
                let message = failure.to_string();
                record(&self.row, Outcome::Failed(&message));
                Err(message.into())
            }
        }
    }
}

/// Runs a case on a thread of its own, so that neither a panic nor a blocked thread takes the suite along.
pub(crate) fn limited(
    name: &str,
    case: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> Result<(), Failure> {
    let (done, ended) = mpsc::channel();
    let body = move || {
        // The receiver is gone only if the limit has passed; then nobody wants to know.
        let _ = done.send(case());
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(body)?;
    match ended.recv_timeout(CASE_LIMIT) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => {
            Err(Failure::new(format_args!("expected an end within {CASE_LIMIT:?}, it hangs")))
        }
        Err(RecvTimeoutError::Disconnected) => {
            let panic = thread.join().expect_err("because it ended without sending");
            Err(Failure::new(format_args!("expected no panic, got: {}", panic_message(&*panic))))
        }
    }
}

fn perform(subject: &Subject, mode: &'static Mode, case: &'static Case) -> Result<(), Failure> {
    let runtime = runtime(case.threads)?;
    let (fixtures, line) = runtime.block_on(open(subject, mode))?;
    let opened = fixtures[0].store()?;
    // As a task, so that the case runs where the code of users runs.
    let ended = runtime.block_on(runtime.spawn(among_strangers(opened, line, mode, case)));
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    drop(fixtures);
    match ended {
        Ok(result) => result,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(ended) => Err(ended.into()),
        },
    }
}

/// The fixture that the case sees, and what else has to live as long; with the proxy, where the mode wants one.
async fn open(subject: &Subject, mode: &Mode) -> Result<(Vec<Fixture>, Option<Line>), Failure> {
    match &subject.wire {
        Some(wire) if mode.wire => {
            let (past, through, line) = wire.open().await?;
            Ok((vec![past, through], Some(line)))
        }
        _ => Ok((vec![subject.open().await?], None)),
    }
}

/// Runs a case; in a store below a prefix with strangers beside it, which it must not harm.
async fn among_strangers(
    opened: Store,
    line: Option<Line>,
    mode: &'static Mode,
    case: &'static Case,
) -> Result<(), Failure> {
    let store = (mode.enter)(&opened)?;
    let strangers = Strangers::around(&opened, store.prefix()).await?;
    (case.run)(Context { line, ..Context::new(opened, store) }).await?;
    strangers.unharmed().await
}

fn runtime(threads: bool) -> Result<Runtime, Failure> {
    let mut builder = if threads { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    Ok(builder.enable_all().build()?)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a message")
}

/// Whether the command line asks for this case, by the rules of libtest.
fn selected(arguments: &Arguments, case: &str) -> bool {
    arguments.filter.as_ref().is_none_or(|filter| case.contains(filter.as_str()))
        && !arguments.skip.iter().any(|skip| case.contains(skip.as_str()))
}

fn record(row: &Row, outcome: Outcome<'_>) {
    if let Err(error) = row.append(outcome) {
        say(&format!("the report could not be written: {error}"));
    }
}

#[allow(clippy::print_stderr)] // a test program talks to people; stdout belongs to the harness
fn say(message: &str) {
    eprintln!("{message}");
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use libtest_mimic::{Arguments, Completion};
    use storage_core::Capabilities;
    use storage_memory::Memory;

    use super::{Planned, cases, conduct, plan};
    use crate::subject::{Fixture, Subject};

    fn memory() -> Subject {
        Subject::new("memory", || async { Ok(Fixture::new(Memory::new())) })
    }

    fn ignored(subject: &Subject, capabilities: &Capabilities) -> Vec<String> {
        let planned = plan(subject, capabilities);
        planned.iter().filter(|p| p.ignored().is_some()).map(|p| p.row.case.clone()).collect()
    }

    fn everything() -> Capabilities {
        let mut can = storage_core::Backend::capabilities(&Memory::new());
        // It has no address for others.
        can.signed_urls = Some(Duration::from_secs(60));
        can
    }

    #[test]
    fn names_are_unique_and_can_be_typed() {
        let mut seen = HashSet::new();
        for case in cases() {
            let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'/';
            assert!(case.name.bytes().all(fine), "{}", case.name);
            assert!(case.name.contains(&format!("/{}-", case.clause)), "{}", case.name);
            assert!(seen.insert(case.name.clone()), "{} stands twice", case.name);
        }
    }

    #[test]
    fn a_missing_capability_ignores_its_cases_alone() {
        assert_eq!(ignored(&memory(), &everything()), [""; 0]);
        let mut without = everything();
        without.symlinks = false;
        let ignored = ignored(&memory(), &without);
        assert!(
            ignored.iter().any(|name| name == "plain/metadata/META-3-a-link-is-its-target"),
            "{ignored:?}"
        );
        assert!(ignored.iter().all(|name| name.contains("link")), "{ignored:?}");
    }

    #[test]
    fn a_known_weakness_is_ignored_by_name() {
        let subject = memory().ignore("read/READ-3-*", "why").ignore("prefixed/walk/**", "why");
        let ignored = ignored(&subject, &everything());
        assert!(ignored.iter().all(|n| n.contains("/read/READ-3-") || n.starts_with("prefixed/walk/")));
        let planned: Vec<Planned> = plan(&subject, &everything());
        let expected = |n: &str| n.contains("/read/READ-3-") || n.starts_with("prefixed/walk/");
        assert_eq!(ignored.len(), planned.iter().filter(|p| expected(&p.row.case)).count());
    }

    /// How many cases a subject has that does not say how to get at its wire.
    fn without_wire() -> usize {
        let others = ["wire/", "codec/", "format/"];
        cases().iter().filter(|case| !others.iter().any(|mode| case.name.starts_with(mode))).count()
    }

    #[test]
    fn every_case_of_a_missing_subject_is_ignored() {
        let subject = Subject::missing("nowhere", "no server");
        let planned = plan(&subject, &everything());
        assert_eq!(planned.len(), without_wire());
        for planned in planned {
            assert_eq!(planned.ignored(), Some("no server"), "{}", planned.row.case);
            // As with `--include-ignored`.
            let performed = planned.perform();
            assert!(matches!(performed, Ok(Completion::Ignored { reason: Some(r) }) if r == "no server"));
        }
    }

    #[test]
    fn a_missing_subject_stands_as_ignored_in_the_report() {
        const OWN_PROCESS: &str = "HAUL_MISSING_SUBJECT";
        if std::env::var_os(OWN_PROCESS).is_some() {
            conduct(&Subject::missing("nowhere", "no server"), &Arguments::default());
            return;
        }
        // The report's place is told by the environment, which is the whole process's.
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("report.jsonl");
        let rows =
            run_again("run::tests::a_missing_subject_stands_as_ignored_in_the_report", OWN_PROCESS, &report);
        assert_eq!(rows.len(), without_wire());
        for row in rows {
            assert_eq!(row["result"], "ignored", "{row}");
            assert_eq!(row["reason"], "no server", "{row}");
        }
    }

    /// Runs one of these tests in a process of its own, and reads the report that it wrote.
    fn run_again(test: &str, variable: &str, report: &Path) -> Vec<serde_json::Value> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test]).env(variable, "1").env("HAUL_CONFORMANCE_REPORT", report);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let text = std::fs::read_to_string(report).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_lower_level_runs_no_newer_case() {
        assert!(plan(&memory().level(0), &everything()).is_empty());
    }
}
