//! How the program ends: 0 done, 1 differences or failed items, 2 usage or fatal, 130 interrupted.

use std::process::ExitCode;

use storage_core::Error;

use crate::output::Output;

/// What a shell expects of a program ended by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command did not simply succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Some items failed or differ; each was told already.
    Items,
    /// The command as a whole failed.
    Fatal(String),
    /// Whoever read our output has enough. That is success.
    ClosedPipe,
    /// A signal.
    Interrupted(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Fatal(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::ClosedPipe;
        }
        Self::Fatal(format!("writing the output: {error}"))
    }
}

/// Ends on arguments that cannot be used, or on a request for help, which is no error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    // A closed pipe while printing help is no error either.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// The exit code of a command, with the last words on stderr.
pub(crate) fn code(result: Result<(), Failure>, output: &mut Output) -> ExitCode {
    let result = result.and_then(|()| output.flush().map_err(Failure::from));
    match result {
        Ok(()) | Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Items) => ExitCode::from(1),
        Err(Failure::Fatal(message)) => {
            output.error(&message);
            ExitCode::from(2)
        }
        Err(Failure::Interrupted(how)) => {
            output.error(&format!("{how}; nothing was left half-written"));
            ExitCode::from(INTERRUPTED)
        }
    }
}
