//! One connection: a child process of the system's ssh, and the protocol on its pipes.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openssh_sftp_client::file::File;
use openssh_sftp_client::fs::{Dir, Fs};
use openssh_sftp_client::{Error as SftpError, Sftp, SftpOptions};
use storage_core::{Error, ErrorKind, Result, Retry};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};

use crate::config::{Config, HostKeys};
use crate::error::is_broken;
use crate::names::Names;

/// What ssh says is kept up to this length, in bytes.
const SAID_MAX: usize = 4096;
/// A connection that rested for this long is asked whether it still stands.
const RESTED: Duration = Duration::from_secs(30);
/// How long it has to answer.
const HEALTH: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Session {
    sftp: Sftp,
    broken: AtomicBool,
    used: Mutex<Instant>,
    /// Ended with the session.
    _child: Child,
}

impl Session {
    /// Connects, within the time that the configuration gives.
    pub(crate) async fn connect(config: &Config) -> Result<Self> {
        let mut child = command(config).spawn().map_err(|e| {
            let message = "the program `ssh` cannot be started; is it installed?";
            Error::new(ErrorKind::InvalidConfig, message).with_source(e)
        })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(Error::new(ErrorKind::Other, "ssh has no pipes"));
        };
        let said = listen(stderr);
        let connected = Sftp::new(stdin, Names::new(stdout), SftpOptions::new());
        match tokio::time::timeout(config.connect_timeout, connected).await {
            Ok(Ok(sftp)) => Ok(Self {
                sftp,
                broken: AtomicBool::new(false),
                used: Mutex::new(Instant::now()),
                _child: child,
            }),
            Ok(Err(_)) => {
                // Its last words come with its end.
                let _ = tokio::time::timeout(Duration::from_secs(2), child.wait()).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(explain(&said.lock().expect("because no holder of the lock panics")))
            }
            Err(_) => {
                let message = format!(
                    "no connection within {:?}; is the host right, and the network up?",
                    config.connect_timeout
                );
                Err(Error::new(ErrorKind::TimedOut, message).unreached())
            }
        }
    }

    pub(crate) fn sftp(&self) -> &Sftp {
        &self.sftp
    }

    /// A handle for requests on names.
    pub(crate) fn fs(&self) -> Fs {
        self.sftp.fs()
    }

    /// Opens a file to be read.
    pub(crate) async fn open(self: &Arc<Self>, path: &str) -> Result<File, SftpError> {
        let (session, path) = (self.clone(), path.to_owned());
        to_the_end(async move { session.sftp.open(path).await }).await
    }

    /// Opens a file to be written, one that is there or a new one.
    pub(crate) async fn open_staged(self: &Arc<Self>, path: &str, new: bool) -> Result<File, SftpError> {
        let (session, path) = (self.clone(), path.to_owned());
        let opening = async move {
            let mut options = session.sftp.options();
            // Read as well: the protocol's stat of an open file asks for it.
            options.write(true).read(true).create_new(new);
            options.open(path).await
        };
        to_the_end(opening).await
    }

    pub(crate) async fn open_dir(self: &Arc<Self>, path: &str) -> Result<Dir, SftpError> {
        let (session, path) = (self.clone(), path.to_owned());
        to_the_end(async move { session.fs().open_dir(path).await }).await
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Takes the session out of use: its connection is gone, or what it does is not known.
    pub(crate) fn give_up(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// An answer, or its error as ours. A broken connection takes the session out of use.
    pub(crate) fn check<T>(&self, answer: Result<T, SftpError>) -> Result<T> {
        answer.map_err(|error| {
            if is_broken(&error) {
                self.give_up();
            }
            crate::error::error(&error)
        })
    }

    /// Whether the connection still stands: asked for only after a rest.
    pub(crate) async fn is_healthy(&self) -> bool {
        let rested = {
            let mut used = self.used.lock().expect("because no holder of the lock panics");
            std::mem::replace(&mut *used, Instant::now()).elapsed() > RESTED
        };
        if rested {
            let mut fs = self.fs();
            let answer = tokio::time::timeout(HEALTH, fs.canonicalize(".")).await;
            if !matches!(answer, Ok(Ok(_))) {
                self.give_up();
            }
        }
        !self.is_broken()
    }
}

/// The answer to a request for a handle is waited for even if nobody wants it any more: a handle that came unseen would
/// stay open for as long as the connection stands.
async fn to_the_end<T: Send + 'static>(
    opening: impl Future<Output = Result<T, SftpError>> + Send + 'static,
) -> Result<T, SftpError> {
    tokio::spawn(opening).await?
}

fn command(config: &Config) -> Command {
    let mut command = Command::new("ssh");
    let seconds = config.connect_timeout.as_secs().max(1);
    let host_keys = match config.host_keys {
        HostKeys::Known => "yes",
        HostKeys::AcceptNew => "accept-new",
    };
    if let Some(path) = &config.ssh_config {
        command.arg("-F").arg(path);
    }
    if let Some(path) = &config.identity_file {
        command.arg("-i").arg(path);
    }
    if let Some(user) = &config.user {
        command.arg("-l").arg(user);
    }
    if let Some(port) = config.port {
        command.arg("-p").arg(port.to_string());
    }
    command
        // Nobody is there to be asked.
        .args(["-o", "BatchMode=yes", "-o", &format!("ConnectTimeout={seconds}")])
        .args(["-o", &format!("StrictHostKeyChecking={host_keys}")])
        // A peer that went away without a word is noticed within a minute.
        .args(["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"])
        .args(["-o", "ForwardX11=no", "-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes"])
        .args(["-s", "--"])
        .arg(&config.host)
        .arg("sftp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is for the program, which ends its sessions itself.
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Collects what ssh says, for the case that it fails.
fn listen(stderr: ChildStderr) -> Arc<Mutex<String>> {
    let said = Arc::new(Mutex::new(String::new()));
    let writer = said.clone();
    tokio::spawn(async move {
        let mut stderr = BufReader::new(stderr);
        let mut chunk = [0; 1024];
        while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
            let mut said = writer.lock().expect("because no holder of the lock panics");
            if said.len() < SAID_MAX {
                said.push_str(&String::from_utf8_lossy(&chunk[..read]));
            }
        }
    });
    said
}

/// Why ssh gave up, by its own words.
fn explain(said: &str) -> Error {
    let last =
        said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("ssh ended without a word");
    let has = |words: &str| said.contains(words);
    let (kind, advice) = if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        (ErrorKind::Unauthenticated, "the host has another key than before; find out why before you trust it")
    } else if has("Host key verification failed") {
        let advice = "ssh does not know the host's key; connect once by `ssh`, or set `host_keys=accept-new`";
        (ErrorKind::Unauthenticated, advice)
    } else if has("Permission denied") || has("Too many authentication failures") {
        (
            ErrorKind::Unauthenticated,
            "the server takes none of our keys; does `ssh` get in without a password?",
        )
    } else if has("Could not resolve hostname") {
        (ErrorKind::Unavailable, "there is no host of this name")
    } else if has("timed out") {
        (ErrorKind::TimedOut, "no connection in time")
    } else if has("subsystem request failed") {
        (ErrorKind::Unsupported, "the server has no SFTP")
    } else if has("Bad configuration option") || has("Can't open user config file") {
        (ErrorKind::InvalidConfig, "ssh cannot use its configuration")
    } else {
        (ErrorKind::Unavailable, "no connection")
    };
    let error = Error::new(kind, advice).with_source(last.chars().take(200).collect::<String>());
    let error =
        if matches!(kind, ErrorKind::Unavailable | ErrorKind::TimedOut) { error.unreached() } else { error };
    if has("Could not resolve hostname") { error.with_retry(Retry::Never) } else { error }
}

#[cfg(test)]
mod tests {
    use super::explain;
    use storage_core::ErrorKind;

    #[test]
    fn last_words() {
        let kind = |said: &str| explain(said).kind();
        assert_eq!(kind("me@h: Permission denied (publickey).\r\n"), ErrorKind::Unauthenticated);
        assert_eq!(
            kind("No ED25519 host key is known\nHost key verification failed.\n"),
            ErrorKind::Unauthenticated
        );
        assert_eq!(kind("ssh: connect to host h port 22: Connection refused"), ErrorKind::Unavailable);
        assert_eq!(kind("ssh: connect to host h port 22: Connection timed out"), ErrorKind::TimedOut);
        assert_eq!(kind(""), ErrorKind::Unavailable);
        assert!(explain("x: Connection refused\n").to_string().contains("Connection refused"));
    }
}
