//! The suite for record formats: clauses FORMAT-1 to FORMAT-5.

mod cases;
mod data;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use storage_core::format::Framing;

use crate::case::CaseInfo;
use crate::failure::Failure;
use crate::run::limited;

use cases::CASES;

/// A record format under test.
#[derive(Clone, Debug)]
pub struct FormatSubject {
    framing: Arc<dyn Framing>,
    records: Vec<Vec<u8>>,
    refused: Vec<Vec<u8>>,
    boundless: Option<Vec<u8>>,
    foreign: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

/// A statement about every format.
struct FormatCase {
    clause: &'static str,
    words: &'static str,
    run: fn(&FormatSubject) -> Result<(), Failure>,
    /// Why it cannot be run on a format.
    why_not: fn(&FormatSubject) -> Option<&'static str>,
}

impl FormatCase {
    const fn new(
        clause: &'static str,
        words: &'static str,
        run: fn(&FormatSubject) -> Result<(), Failure>,
    ) -> Self {
        Self { clause, words, run, why_not: |_| None }
    }

    const fn unless(self, why_not: fn(&FormatSubject) -> Option<&'static str>) -> Self {
        Self { why_not, ..self }
    }

    fn name(&self) -> String {
        format!("format/{}-{}", self.clause, self.words)
    }
}

impl FormatSubject {
    /// Tests this format on these records, of which there have to be five or more, each of 2 to 1000 bytes.
    pub fn new<R: Into<Vec<u8>>>(framing: impl Framing, records: impl IntoIterator<Item = R>) -> Self {
        let records = records.into_iter().map(Into::into).collect();
        Self {
            framing: Arc::new(framing),
            records,
            refused: Vec::new(),
            boundless: None,
            foreign: Vec::new(),
        }
    }

    /// Tells records that the format cannot hold.
    pub fn refuses<R: Into<Vec<u8>>>(mut self, records: impl IntoIterator<Item = R>) -> Self {
        self.refused = records.into_iter().map(Into::into).collect();
        self
    }

    /// Tells bytes that others write, and the records that they mean.
    pub fn reads<R: Into<Vec<u8>>>(
        mut self,
        bytes: impl Into<Vec<u8>>,
        records: impl IntoIterator<Item = R>,
    ) -> Self {
        self.foreign.push((bytes.into(), records.into_iter().map(Into::into).collect()));
        self
    }

    /// Tells bytes that announce a record larger than any memory.
    pub fn boundless(mut self, head: impl Into<Vec<u8>>) -> Self {
        self.boundless = Some(head.into());
        self
    }
}

/// Runs the suite on a record format by the arguments of the command line, which are those of `cargo test`.
pub fn run_format(subjects: impl IntoIterator<Item = FormatSubject>) -> ExitCode {
    let trials = subjects.into_iter().flat_map(|subject| {
        CASES.iter().map(move |case| {
            let subject = subject.clone();
            let name = format!("{}/{}", subject.framing.about().name, case.name());
            let why_not = (case.why_not)(&subject);
            let trial = Trial::ignorable_test(name, move || match why_not {
                Some(why_not) => Ok(Completion::ignored_with(why_not)),
                None => limited(&case.name(), move || (case.run)(&subject))
                    .map(|()| Completion::Completed)
                    .map_err(|failure| Failed::from(failure.to_string())),
            });
            trial.with_ignored_flag(why_not.is_some())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Every case, for tools that hold the contract against the suite.
pub(crate) fn infos() -> impl Iterator<Item = CaseInfo> {
    CASES.iter().map(|case| CaseInfo { name: case.name(), clause: case.clause, since: 1 })
}
