//! The format's ordinary program.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use crate::failure::Failure;

/// Why the command cannot be run.
pub(super) fn missing(command: &[String]) -> Option<String> {
    let [program, ..] = command else { return Some("there is no ordinary program".into()) };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&paths).any(|path| path.join(program).is_file());
    (!is_there).then(|| format!("`{program}` is not installed"))
}

/// What the program makes of its input.
pub(super) fn through(command: &[String], input: &[u8]) -> Result<Vec<u8>, Failure> {
    let [program, args @ ..] = command else { return Err(Failure::new("there is no ordinary program")) };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or_else(|| Failure::new("the program has no input"))?;
    let input = input.to_vec();
    // It may answer before it has read all.
    let feeder = thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output()?;
    let fed = feeder.join();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format_args!("`{}` failed: {said}", command.join(" "))));
    }
    match fed {
        Ok(Ok(())) => Ok(output.stdout),
        _ => Err(Failure::new(format_args!("`{}` did not read all of its input", command.join(" ")))),
    }
}
