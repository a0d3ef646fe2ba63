//! The suite for codecs: clauses CODEC-1 to CODEC-5.

mod cases;
mod data;
mod threads;
mod tool;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use storage_core::Store;
use storage_core::codec::Codec;

use crate::case::CaseInfo;
use crate::failure::Failure;
use crate::run::limited;

use cases::CASES;

/// A codec under test, and the format's ordinary program.
#[derive(Clone, Debug)]
pub struct CodecSubject {
    codec: Arc<dyn Codec>,
    encode: Vec<String>,
    decode: Vec<String>,
    store: Option<Store>,
}

/// A statement about every codec.
struct CodecCase {
    clause: &'static str,
    words: &'static str,
    run: fn(&CodecSubject) -> Result<(), Failure>,
    /// Why it cannot be run on a codec.
    why_not: fn(&CodecSubject) -> Option<String>,
}

impl CodecCase {
    const fn new(
        clause: &'static str,
        words: &'static str,
        run: fn(&CodecSubject) -> Result<(), Failure>,
    ) -> Self {
        Self { clause, words, run, why_not: |_| None }
    }

    const fn unless(self, why_not: fn(&CodecSubject) -> Option<String>) -> Self {
        Self { why_not, ..self }
    }

    fn name(&self) -> String {
        format!("codec/{}-{}", self.clause, self.words)
    }
}

impl CodecSubject {
    /// Tests this codec.
    pub fn new(codec: impl Codec) -> Self {
        Self { codec: Arc::new(codec), encode: Vec::new(), decode: Vec::new(), store: None }
    }

    /// Gives it a store to keep data in, which it may fill: what an index finds is read from one.
    pub fn store(mut self, store: Store) -> Self {
        self.store = Some(store);
        self
    }

    /// Tells the commands that encode and decode standard input to standard output. Where they are not installed, what needs
    /// them is ignored.
    pub fn tool(mut self, encode: &[&str], decode: &[&str]) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        (self.encode, self.decode) = (owned(encode), owned(decode));
        self
    }
}

/// Runs the suite on a codec by the arguments of the command line, which are those of `cargo test`.
pub fn run_codec(subject: CodecSubject) -> ExitCode {
    let trial = |case: &'static CodecCase| {
        let subject = subject.clone();
        let why_not = (case.why_not)(&subject);
        let is_ignored = why_not.is_some();
        let trial = Trial::ignorable_test(case.name(), move || match why_not {
            Some(why_not) => Ok(Completion::ignored_with(why_not)),
            None => limited(&case.name(), move || (case.run)(&subject))
                .map(|()| Completion::Completed)
                .map_err(|failure| Failed::from(failure.to_string())),
        });
        trial.with_ignored_flag(is_ignored)
    };
    libtest_mimic::run(&Arguments::from_args(), CASES.iter().map(trial).collect()).exit_code()
}

/// Every case, for tools that hold the contract against the suite.
pub(crate) fn infos() -> impl Iterator<Item = CaseInfo> {
    CASES.iter().map(|case| CaseInfo { name: case.name(), clause: case.clause, since: 1 })
}
