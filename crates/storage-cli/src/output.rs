//! Data on stdout, everything else on stderr.

use std::io::{self, BufWriter, IsTerminal, Write};

use storage_core::Error;

use crate::args::{Global, ProgressMode};
use crate::show;

/// Where the program speaks.
pub(crate) struct Output {
    stdout: BufWriter<io::Stdout>,
    /// Somebody watches: lines go out at once, and control characters in names are escaped.
    terminal: bool,
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) progress: ProgressMode,
    color: bool,
    failed: u64,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            stdout: BufWriter::with_capacity(64 << 10, io::stdout()),
            terminal: io::stdout().is_terminal(),
            json: global.json,
            quiet: global.quiet,
            verbose: global.verbose,
            progress: global.progress,
            color: io::stderr().is_terminal() && !no_color,
            failed: 0,
        }
    }

    /// Prints one line of text for people and pipes.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        self.stdout.write_all(text.as_bytes())?;
        self.stdout.write_all(b"\n")?;
        self.flush_if_watched()
    }

    /// Prints a name and `end`, which is a line feed or NUL.
    pub(crate) fn name(&mut self, name: &str, end: u8) -> io::Result<()> {
        let shown = self.shown(name);
        self.stdout.write_all(shown.as_bytes())?;
        self.stdout.write_all(&[end])?;
        self.flush_if_watched()
    }

    /// Prints one JSON object on a line. On a terminal all that could drive it is escaped, in the way of JSON.
    pub(crate) fn object(&mut self, value: &serde_json::Value) -> io::Result<()> {
        let text = value.to_string();
        if self.terminal { self.line(&show::escaped_json(&text)) } else { self.line(&text) }
    }

    /// Prints raw bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdout.write_all(bytes)
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()
    }

    /// A name as stdout gets it: on a terminal without control characters, else byte for byte.
    pub(crate) fn shown(&self, name: &str) -> String {
        if self.terminal { show::escaped(name) } else { name.to_owned() }
    }

    /// Says something on stderr, unless told to be quiet.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            stderr(&show::escaped(text));
        }
    }

    /// Tells of an item that failed; the command goes on and ends with exit code 1.
    pub(crate) fn item_failed(&mut self, error: &Error) {
        self.failed += 1;
        self.error(&error.to_string());
    }

    /// Tells of an entry of a tree that failed, with its name unless the error says it already.
    pub(crate) fn entry_failed(&mut self, name: &str, error: &Error) {
        if error.key().is_some() || name.is_empty() {
            return self.item_failed(error);
        }
        self.named_failed(name, error);
    }

    /// Tells of an item that failed, with a name that the error cannot know.
    pub(crate) fn named_failed(&mut self, name: &str, error: &Error) {
        self.failed += 1;
        self.error(&format!("`{}`: {error}", name.escape_debug()));
    }

    /// Says what went wrong on stderr.
    pub(crate) fn error(&self, message: &str) {
        let (red, plain) = if self.color { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        stderr(&format!("{red}haul:{plain} {}", show::escaped(message)));
    }

    /// How a command ends that told of its items as it went.
    pub(crate) fn conclude(&self) -> Result<(), crate::exit::Failure> {
        if self.failed == 0 { Ok(()) } else { Err(crate::exit::Failure::Items) }
    }

    fn flush_if_watched(&mut self) -> io::Result<()> {
        if self.terminal { self.stdout.flush() } else { Ok(()) }
    }
}

fn stderr(line: &str) {
    // Who closed stderr does not want to hear.
    let _ = writeln!(io::stderr(), "{line}");
}
